"""`fleet app-credential` shows what it made once, and the database keeps a hash."""

import hashlib
import os
import subprocess
import sys

import pytest

from fleet.adapters.postgres import connect
from fleet.adapters.postgres.app_credentials import list_app_credentials
from fleet.settings import Settings

pytestmark = pytest.mark.integration


def fleet(database: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a process with this database."""
    environment = os.environ | {"DATABASE_URL": database.database_url.get_secret_value()}
    command = [sys.executable, "-m", "cli.app", "app-credential", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_a_credential_is_printed_alone_and_once(database: Settings) -> None:
    made = fleet(database, "--name", "web 1")
    credential = made.stdout.removesuffix("\n")
    assert (made.returncode, len(credential)) == (0, 43)
    assert "FLEET_APP_CREDENTIAL" in made.stderr
    with connect(database) as connection:
        (row,) = connection.execute("SELECT secret_sha256 FROM fleet.app_credentials").fetchall()
    assert row["secret_sha256"] == hashlib.sha256(credential.encode()).digest()
    listed = fleet(database, "--list").stdout
    assert "web 1" in listed
    assert credential not in listed


def test_a_credential_is_revoked_by_its_id(database: Settings) -> None:
    fleet(database)
    with connect(database) as connection:
        (made,) = list_app_credentials(connection)
    assert fleet(database, "--revoke", str(made["credential_id"]), "--yes").returncode == 0
    with connect(database) as connection:
        assert list_app_credentials(connection)[0]["revoked_at"] is not None


@pytest.mark.parametrize(
    ("url", "revoke", "code"),
    [(None, "nonsense", 2), (None, "00000000-0000-0000-0000-000000000000", 7), ("", "", 3)],
)
def test_a_mistake_is_one_sentence(database: Settings, url: str | None, revoke: str, code: int) -> None:
    settings = database if url is None else Settings.model_validate({"DATABASE_URL": url})
    done = fleet(settings, *(["--revoke", revoke, "--yes"] if revoke else []))
    assert (done.returncode, done.stdout) == (code, "")
    assert len(done.stderr.strip().splitlines()) == 1
