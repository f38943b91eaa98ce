"""The process: where it listens, what it says when it cannot start, and what it keeps."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from fleet.errors import FleetError, InvalidInput, NotConfigured
from local_cloud.servers import CONFIG
from local_cloud.supabase.__main__ import require_loopback
from local_cloud.supabase.auth import queries
from local_cloud.supabase.config import read_config
from local_cloud.supabase.database import bootstrap
from local_cloud.supabase.keys import KEYS_FILE, ensure_keys, read_keys
from local_cloud.supabase.tokens import Keyring
from tests.supabase_project import SupabaseProject


def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "AWS_ENDPOINT_URL")}
    command = [sys.executable, "-m", "local_cloud.supabase", "--port", "1", *arguments]
    return subprocess.run(
        command, env={**clean, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.10", "example.org", ""])  # noqa: S104
def test_it_refuses_to_listen_beyond_loopback(host: str) -> None:
    with pytest.raises(InvalidInput, match="loopback only"):
        require_loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1"])
def test_it_listens_on_loopback(host: str) -> None:
    require_loopback(host)


def test_the_refusal_is_one_sentence_and_exit_code_2(folder: Path) -> None:
    ended = start("--host", "0.0.0.0", "--state", str(folder))  # noqa: S104
    assert ended.returncode == 2
    assert ended.stderr == "The embedded Supabase listens on loopback only, not on 0.0.0.0: use 127.0.0.1.\n"


def test_a_missing_database_is_named(folder: Path) -> None:
    ended = start("--state", str(folder))
    assert (ended.returncode, ended.stderr) == (3, "DATABASE_URL is not set: put the database's address there.\n")


def test_a_database_that_does_not_answer_is_one_sentence_without_its_password(folder: Path) -> None:
    ended = start("--state", str(folder), DATABASE_URL="postgresql://u:hidden-word@127.0.0.1:1/x")
    assert ended.returncode == 5
    assert ended.stderr.count("\n") == 1
    assert "hidden-word" not in ended.stderr


@pytest.mark.integration
def test_the_running_server_shows_no_secret_in_its_arguments(supabase_server: SupabaseProject) -> None:
    keys = supabase_server.keys
    assert keys
    lines = [" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]
    mine = [line for line in lines if "local_cloud.supabase" in line]
    assert mine
    for secret in (keys.jwt_secret, keys.service_role_key, supabase_server.settings.require_database_url()):
        assert not [line for line in mine if secret in line]


@pytest.mark.integration
def test_connections_that_the_database_cut_are_replaced(supabase_server: SupabaseProject) -> None:
    session = supabase_server.signed_in()
    supabase_server.run_sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename IN ('authenticator', 'supabase_auth_admin')"
    )
    assert session.auth.get_user()
    assert supabase_server.request("POST", "/rest/v1/rpc/nothing_here", json={}).status_code == 404


def test_the_keys_are_made_once_and_for_their_owner_only(folder: Path) -> None:
    made = ensure_keys(folder / "state", now=1_800_000_000)
    assert ensure_keys(folder / "state", now=1_900_000_000) == made == read_keys(folder / "state")
    assert stat.S_IMODE((folder / "state" / KEYS_FILE).stat().st_mode) == 0o600
    assert made.jwt_secret not in repr(made)


def test_missing_or_damaged_keys_are_named(folder: Path) -> None:
    with pytest.raises(NotConfigured, match="is missing"):
        read_keys(folder)
    (folder / KEYS_FILE).write_text("{")
    with pytest.raises(NotConfigured, match="is damaged"):
        read_keys(folder)


def test_the_api_keys_are_tokens_of_their_role(folder: Path) -> None:
    now = int(time.time())
    keys = ensure_keys(folder, now)
    ring = Keyring(keys)
    assert ring.verify(keys.anon_key, now)["role"] == "anon"
    assert ring.verify(keys.service_role_key, now)["role"] == "service_role"
    assert (ring.api_role(keys.anon_key), ring.api_role(keys.service_role_key)) == ("anon", "service_role")
    assert ring.api_role(keys.anon_key + "x") is None
    assert set(ring.public_jwk) >= {"kty", "crv", "x", "y", "kid"}
    assert "d" not in ring.public_jwk


@pytest.mark.integration
def test_the_bootstrap_may_be_repeated_and_keeps_users(database_url: str, folder: Path) -> None:
    keys = ensure_keys(folder, 1_800_000_000)
    bootstrap(database_url, keys)
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO auth.users (email) VALUES ('kept@example.org')")
    bootstrap(database_url, keys)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT email FROM auth.users").fetchall() == [("kept@example.org",)]
        rights = connection.execute(
            "SELECT rolname, rolsuper, rolbypassrls, rolinherit FROM pg_roles"
            " WHERE rolname IN ('anon', 'authenticated', 'authenticator', 'service_role') ORDER BY rolname"
        ).fetchall()
    assert rights == [
        ("anon", False, False, False),
        ("authenticated", False, False, False),
        ("authenticator", False, False, False),
        ("service_role", False, True, False),
    ]


@pytest.mark.integration
def test_new_tables_get_supabases_default_privileges(database_url: str, folder: Path) -> None:
    bootstrap(database_url, ensure_keys(folder, 1_800_000_000))
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE public.fresh (id int)")
        for role in ("anon", "authenticated", "service_role"):
            granted = connection.execute("SELECT has_table_privilege(%s, 'public.fresh', 'SELECT')", (role,)).fetchone()
            assert granted == (True,)
            hidden = connection.execute("SELECT has_table_privilege(%s, 'auth.users', 'SELECT')", (role,)).fetchone()
            assert hidden == (False,)


@pytest.mark.integration
def test_every_named_query_fits_the_schema(database_url: str, folder: Path) -> None:
    bootstrap(database_url, ensure_keys(folder, 1_800_000_000))
    with psycopg.connect(database_url) as connection:
        for number, body in enumerate(queries.names().values()):
            text = body.decode().replace("%(", ":(")
            names = dict.fromkeys(part.split(")s")[0] for part in text.split(":(")[1:])
            for place, name in enumerate(names, 1):
                text = text.replace(f":({name})s", f"${place}")
            connection.execute(f"PREPARE q{number} AS {text}".encode())  # a test's own text


def test_the_projects_config_is_read() -> None:
    config = read_config(CONFIG, "http://127.0.0.1:9/")
    assert (config.otp_length, config.otp_expiry_s, config.max_frequency_s) == (6, 600, 60.0)
    assert config.site_url == "http://127.0.0.1:9"
    assert "{{ .Token }}" in config.magic_link.html
    assert "type=magiclink" in config.magic_link.html


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("otp_length = 6", 'otp_length = "six"'), "six"),
        (('max_frequency = "1m0s"', 'max_frequency = "soon"'), "soon"),
        (("site_url", "no_url"), "site_url"),
        (("magic_link.html", "gone.html"), "gone.html"),
        (("[auth]", "[auth"), "config.toml"),
    ],
)
def test_a_config_that_cannot_be_used_is_named(folder: Path, change: tuple[str, str], told: str) -> None:
    (folder / "supabase" / "templates").mkdir(parents=True)
    for template in (CONFIG.parent / "templates").iterdir():
        (folder / "supabase" / "templates" / template.name).write_text(template.read_text())
    file = folder / "supabase" / "config.toml"
    file.write_text(CONFIG.read_text().replace(*change))
    with pytest.raises(FleetError, match=told):
        read_config(file, "http://127.0.0.1:9")
