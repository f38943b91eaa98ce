"""The `fleet` command says one sentence, with its own exit code, and shows no stack trace."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.settings import Settings


def fleet(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("FLEET_", "AWS_", "PREFECT_", "DATABASE_"))}
    command = [sys.executable, "-m", "cli.app", *arguments]
    environment = {**inherited, "FLEET_STATE_DIR": "/nonexistent/state", **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def assert_sentence(result: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in result.stderr


def test_a_missing_database_is_named() -> None:
    assert_sentence(fleet("migrate"), 3, "DATABASE_URL is not set")


def test_a_database_that_is_down_is_said_without_its_password() -> None:
    result = fleet("migrate", DATABASE_URL="postgresql://u:top-secret@127.0.0.1:1/x")
    assert_sentence(result, 5, "PostgreSQL did not answer")
    assert "top-secret" not in result.stderr + result.stdout


def test_a_database_without_our_schema_says_what_to_run(database_url: str) -> None:
    assert_sentence(fleet("devices", "list", DATABASE_URL=database_url), 3, "fleet migrate")


def test_an_empty_fleet_says_so(database: Settings) -> None:
    url = database.require_database_url()
    assert "No device" in fleet("devices", "list", DATABASE_URL=url).stdout
    assert "empty" in fleet("quarantine", "list", DATABASE_URL=url).stdout
    assert "No webhook has come" in fleet("webhooks", "list", DATABASE_URL=url).stdout
    assert "No webhook was refused" in fleet("webhooks", "refused", DATABASE_URL=url).stdout
    assert "Nothing that is meant waits" in fleet("quarantine", "replay", DATABASE_URL=url).stdout
    assert "0 messages replayed" in fleet("quarantine", "replay", "--yes", DATABASE_URL=url).stdout
    assert "up to date" in fleet("migrate", DATABASE_URL=url).stdout


@pytest.mark.parametrize(("variable", "value"), [("FLEET_DEVICES", "none"), ("FLEET_PREFECT_PORT", "99999")])
def test_a_bad_setting_of_the_demo_is_named(variable: str, value: str) -> None:
    assert_sentence(fleet("up", **{variable: value}), 3, variable)


def test_wrong_usage_is_exit_code_2() -> None:
    assert fleet("no-such-command").returncode == 2


def test_doctor_names_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    result = fleet("doctor", FLEET_STATE_DIR=str(tmp_path), AWS_ENDPOINT_URL="http://127.0.0.1:1", AWS_REGION="x-y-1")
    assert result.returncode == 1
    missing = [line.split()[1] for line in result.stdout.splitlines() if line.startswith("MISS")]
    assert {"credentials", "queue", "database", "prefect"} <= set(missing)
    assert "make up" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_the_debug_option_shows_where_an_error_came_from() -> None:
    assert "Traceback" in fleet("--debug", "migrate").stderr
