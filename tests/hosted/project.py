"""A database as a hosted Supabase project has it: an owner with less than every right, behind a pooler.

What is held to, each as the provider has it:

- the owner is no superuser, and its statements end after 2 minutes (Supabase: docs/guides/database/postgres/timeouts);
- `anon`, `authenticated`, `service_role` and the logins of its servers are there before the first migration, and theirs
  are not ours to change (supabase/postgres, `migrations/db/init-scripts`);
- the session pooler takes 15 clients, refuses the next at once, drops start-up options, and gives each client a session
  without what the one before it had set (`DISCARD ALL`);
- REST and Auth reach the database past the pooler;
- nobody promises what a session starts with: the database has other settings than our code wants.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from local_cloud import servers
from local_cloud.processes import TCPExecutor
from tests.database_server import DatabaseServer
from tests.hosted import debian_postgres

OWNER = "project_owner"
MOST_CLIENTS = 15
"""What Supabase's smallest computes let into the session pooler, unless the project's pool size is raised."""
STATEMENT_TIMEOUT = "2min"

_ROLES = (Path(__file__).parent / "roles.sql").read_text()
_SCHEMAS = (Path(__file__).parent / "schemas.sql").read_text()
_ODD_SETTINGS = {
    "datestyle": "German, DMY",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "0",
    "timezone": "Asia/Kathmandu",
}
_POOLER = """\
[databases]
* = host={socket_folder} port={postgres_port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = session
max_client_conn = {most_clients}
default_pool_size = {most_clients}
server_reset_query = DISCARD ALL
ignore_startup_parameters = options,extra_float_digits
log_connections = 0
log_disconnections = 0
"""


@dataclass(frozen=True)
class HostedServer(DatabaseServer):
    """Its databases belong to `OWNER`, which reaches them through the pooler on `port`."""

    port: int

    def address(self, name: str) -> str:
        return make_conninfo(host="127.0.0.1", port=self.port, user=OWNER, dbname=name)

    def stand_in_address(self, url: str) -> str:
        return make_conninfo(self.admin_url, dbname=str(conninfo_to_dict(url)["dbname"]))

    def _make(self, admin: psycopg.Connection, name: str, template: str) -> None:
        # The pooler keeps its sessions, and a database that somebody is in is no template.
        admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [template])
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}")
        admin.execute(made.format(*map(sql.Identifier, (name, template, OWNER))))
        if template == "template0":
            with psycopg.connect(self.admin_url, dbname=name) as inside:
                inside.execute(_SCHEMAS.encode())
        # Before the pooler has a session there: later ones would not reach it.
        for setting, value in _ODD_SETTINGS.items():
            changed = sql.SQL("ALTER DATABASE {} SET {} TO {}")
            admin.execute(changed.format(sql.Identifier(name), sql.SQL(setting), sql.SQL(_listed(value))))


def _listed(value: str) -> str:
    return ", ".join(f"'{part.strip()}'" for part in value.split(","))


@contextmanager
def hosted_server(free_port: int, version: int = 0) -> Iterator[HostedServer]:
    """A server of that major version behind a pooler on `free_port`; 0 is the embedded one. Skips what is missing."""
    require_pooler()
    with (
        tempfile.TemporaryDirectory(prefix="flip-fleet-hosted-", ignore_cleanup_errors=True) as home,
        _postgres(Path(home), version) as admin_url,
    ):
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(_ROLES.encode())
        with _pooler(Path(home) / "pooler", admin_url, free_port):
            yield HostedServer(admin_url, free_port)


def require_pooler() -> None:
    """Skip the test on a machine without pgbouncer."""
    if not shutil.which("pgbouncer"):
        pytest.skip("pgbouncer is not installed: `make debian` (as root) installs it.")


@contextmanager
def _postgres(home: Path, version: int) -> Iterator[str]:
    if version:
        with debian_postgres.running(home, version) as url:
            yield url
        return
    server = servers.postgres(home / "data")
    yield server.url
    server.stop()


@contextmanager
def _pooler(folder: Path, admin_url: str, port: int) -> Iterator[None]:
    place = conninfo_to_dict(admin_url)
    folder.mkdir()
    users, config = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text(f'"{OWNER}" ""\n')
    config.write_text(
        _POOLER.format(
            socket_folder=place["host"],
            postgres_port=place.get("port", 5432),
            port=port,
            users=users,
            most_clients=MOST_CLIENTS,
        )
    )
    command = ["pgbouncer", "--quiet", str(config)]
    if os.geteuid() == 0:  # it refuses to be root: it becomes who PostgreSQL is
        command[1:1] = ["--user", Path(str(place["host"])).owner()]
    with (
        servers.log_file(folder / "log") as log,
        TCPExecutor(command, "127.0.0.1", port, timeout=20, stdin=None, stdout=log, stderr=log, expected_returncode=1),
    ):  # fmt: skip  (asked to end, it says 1)
        yield
