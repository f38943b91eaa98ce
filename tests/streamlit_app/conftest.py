"""The services of the app before the real stand-ins, without a browser and without the app's server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from fleet.settings import Settings
from local_cloud.flip.steering import Steering
from streamlit_app.services.accounts import Account, Accounts
from streamlit_app.services.sign_in_caps import Visitor
from streamlit_app.session_store import SessionStore
from tests.conftest import FLIP_TOKEN, free_port
from tests.database_server import DatabaseServer
from tests.homeowner_world import HomeownerWorld, homeowner_world
from tests.supabase_project import new_address


@pytest.fixture(scope="session")
def _homes_in_place(
    resources: Settings, database_server: DatabaseServer, flip_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HomeownerWorld]:
    home, flip = tmp_path_factory.mktemp("homes"), Settings(flip_base_url=flip_url, flip_token=SecretStr(FLIP_TOKEN))
    with (
        database_server.database() as url,
        homeowner_world(resources, flip, url, home, "http://127.0.0.1:8501", free_port()) as world,
    ):
        yield world


@pytest.fixture
def world(_homes_in_place: HomeownerWorld, flip_server: Steering) -> HomeownerWorld:
    """The stand-ins, batteries and links."""
    return _homes_in_place


@pytest.fixture
def web_settings(world: HomeownerWorld, folder: Path) -> Settings:
    """What the web app is told: no database, no token of Flip's, its own credential."""
    kept = {"supabase_url", "supabase_anon_key", "base_url", "aws_region", "aws_endpoint_url", "aws_access_key_id"}
    values = {name: getattr(world.settings, name) for name in kept | {"aws_secret_access_key"}}
    return Settings(**values, app_credential=SecretStr(world.app_credential), state_dir=folder)


@pytest.fixture
def store(folder: Path) -> Iterator[SessionStore]:
    """An empty file of sessions."""
    opened = SessionStore(folder / "web" / "sessions.db")
    yield opened
    opened.close()


@pytest.fixture
def accounts(web_settings: Settings, store: SessionStore) -> Accounts:
    """Signing in and out."""
    return Accounts(web_settings, store)


@pytest.fixture
def sign_in(world: HomeownerWorld, accounts: Accounts) -> Callable[..., Account]:
    """Signs a new account in, or the one of an address."""

    def signed_in(email: str = "") -> Account:
        address = email or new_address()
        return accounts.sign_in(address, world.project.code(address), Visitor("a visit"))

    return signed_in
