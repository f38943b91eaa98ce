"""What a server that cannot go on is quoted with, and what is said of one that is not there."""

import pytest
from pydantic import SecretStr

from fleet.adapters.postgres import connect
from fleet.errors import Unavailable
from fleet.settings import Settings

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("code", ["53100", "53200", "58030", "57P01"], ids=["disk", "memory", "medium", "shutdown"])
def test_a_server_that_cannot_go_on_is_quoted(database_url: str, code: str) -> None:
    fails = f"DO $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '{code}'; END $$"
    with (
        pytest.raises(Unavailable, match=r"^PostgreSQL cannot go on: No space left on device; "),
        connect(Settings(database_url=SecretStr(database_url))) as connection,
    ):
        connection.execute(fails.encode())


def test_a_server_that_is_not_there_is_looked_for() -> None:
    nowhere = Settings(database_url=SecretStr("postgresql://nobody@127.0.0.1:1/none"))
    with pytest.raises(Unavailable, match="check that it runs"), connect(nowhere):
        pass
