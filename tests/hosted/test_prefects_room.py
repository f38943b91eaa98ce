"""A Prefect server in the same database: its extension is kept out of the REST API, also by an owner of few rights."""

import psycopg
import pytest

from fleet.errors import Refused
from local_cloud.servers import make_room_for_prefect
from tests.hosted.project import HostedServer

pytestmark = pytest.mark.integration

WHERE = "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'pg_trgm'"


def test_the_owner_has_it_in_the_schema_of_the_extensions(project: HostedServer) -> None:
    with project.database() as url:
        for _ in range(2):
            make_room_for_prefect(url)
        with psycopg.connect(url) as connection:
            assert connection.execute(WHERE).fetchone() == ("extensions",)


def test_one_that_the_owner_may_not_move_is_named_with_what_to_do(project: HostedServer) -> None:
    with project.database() as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE EXTENSION pg_trgm SCHEMA public")
        with pytest.raises(Refused, match="may not move it: drop it there"):
            make_room_for_prefect(url)
        with psycopg.connect(url) as connection:
            connection.execute("DROP EXTENSION pg_trgm")
        make_room_for_prefect(url)
