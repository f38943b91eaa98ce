"""A hosted project, once with the embedded PostgreSQL and once with the oldest version that ours may be given."""

from collections.abc import Iterator

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from fleet.adapters.postgres.migrations import migrate
from fleet.settings import Settings
from tests.conftest import free_port
from tests.hosted.project import HostedServer, hosted_server


@pytest.fixture(scope="session", params=[0, 15], ids=["embedded", "15"])
def project(request: pytest.FixtureRequest) -> Iterator[HostedServer]:
    """A hosted project; `project.database()` makes a database in it."""
    with hosted_server(free_port(), request.param) as server:
        yield server


@pytest.fixture(scope="session")
def _migrated(project: HostedServer) -> Iterator[str]:
    with project.database() as url:
        migrate(Settings(database_url=SecretStr(url)))
        yield str(conninfo_to_dict(url)["dbname"])


@pytest.fixture
def hosted(project: HostedServer, _migrated: str) -> Iterator[Settings]:
    """A database of it with every migration applied, as settings: through the pooler."""
    with project.database(_migrated) as url:
        yield Settings(database_url=SecretStr(url))
