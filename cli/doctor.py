"""`fleet doctor`: what is there, and what to do about what is missing."""

import base64
import importlib.util
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import httpx

from cli.output import Output
from fleet.adapters import aws
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import connect, translated
from fleet.adapters.postgres.migrations import MIGRATIONS, not_applied, read_migrations
from fleet.adapters.postgres.places import allowed_by_server, free, ours
from fleet.adapters.terraform.workspace import Terraform
from fleet.capacity.connections import needed
from fleet.errors import FleetError, NotConfigured, Refused, Unavailable
from fleet.settings import OPERATOR_FILE, Settings, get_settings
from tasks.jobs import settings_of

_PATIENCE = httpx.Timeout(30, connect=5)
"""A server that is there and has much to do is no server that is away."""
_FOREIGN = "https://elsewhere.invalid"
"""An origin that no Prefect server of ours has reason to trust."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `advice` says what to do when it is not `ok`."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


def report(out: Output) -> int:
    """Print each check, and under what is missing what to do; 1 if anything is missing, else 0."""
    checks = examine()
    if out.as_json:
        out.rows([asdict(check) for check in checks], empty="")
    else:
        for check in checks:
            print(f"{'ok  ' if check.ok else 'MISS'}  {check.name:<13} {check.detail}")
            if not check.ok:
                print(f"{'':<20}-> {check.advice}")
    return 0 if all(check.ok for check in checks) else 1


def examine() -> list[Check]:
    """Look at everything that the fleet needs on this machine; never raises for what it finds missing."""
    return list(_examine())


def _examine() -> Iterator[Check]:
    yield _python()
    try:
        settings = get_settings()
        settings.names  # noqa: B018 - reading it checks the project's name
    except FleetError as error:
        yield Check("settings", False, str(error), "Correct it in .env; .env.example describes every setting.")
        return
    yield _try("terraform", lambda: _terraform(settings), "Install Terraform 1.11 or newer, or `make terraform`.")
    # With a .env the embedded cloud is not meant, and what is served here has its ports; an image has none.
    if not OPERATOR_FILE.exists() and importlib.util.find_spec("local_cloud"):
        yield _try("ports", _ports, "Free the port or set the named variable.")
    yield _try("credentials", lambda: _credentials(settings), "Start the embedded cloud (make up), or sign in to AWS.")
    yield _try("queue", _queue, "Once AWS answers: run the flow apply-infrastructure, or `make demo`.")
    yield _try("database", lambda: _database(settings), "Start the embedded cloud (make up), or set DATABASE_URL.")
    yield _try("connections", lambda: _connections(settings), "Raise the pool size, or lower what is needed.")
    yield _try("prefect", lambda: _prefect(settings), "Start the embedded cloud (make up), or set PREFECT_API_URL.")
    yield Check("notifications", True, _notifications(settings))


def _try(name: str, look: Callable[[], str], advice: str) -> Check:
    try:
        return Check(name, True, look())
    except FleetError as error:
        return Check(name, False, str(error), advice)


def _python() -> Check:
    version = sys.version_info[:2]
    return Check("python", (3, 11) <= version < (3, 14), platform.python_version(), "Use Python 3.11, 3.12 or 3.13.")


def _terraform(settings: Settings) -> str:
    return Terraform(settings).description


def _ports() -> str:
    # Imported here: a worker's image is examined without the embedded cloud.
    from local_cloud.cloud import refuse_taken_ports
    from local_cloud.settings import get_local_settings
    from local_cloud.state import State

    local = get_local_settings()
    if holder := State(local.state_dir.resolve()).supervisor():
        return f"held by the embedded cloud (process {holder.pid})"
    refuse_taken_ports(local)
    return "free: " + ", ".join(str(port) for port in local.ports.values())


def _credentials(settings: Settings) -> str:
    with aws.translated("to say who we are"):
        identity = aws.client(settings, "sts").get_caller_identity()
    return f"{identity['Arn']} at {settings.aws_endpoint_url or 'AWS'} in {settings.aws_region}"


def _queue() -> str:
    settings = settings_of("ingestion")
    queue = Queue(settings, settings.names.telemetry_queue)
    return f"{queue.name} holds about {queue.depth()} messages"


def _database(settings: Settings) -> str:
    migrations = read_migrations(MIGRATIONS)
    with connect(settings) as connection:
        pending = not_applied(connection, migrations)
    if pending:
        raise NotConfigured(f"{len(pending)} migrations are not applied: run `fleet migrate`.")
    return f"{len(migrations)} migrations applied"


def _connections(settings: Settings) -> str:
    """What the server and a pooler allow against what the flows need. It takes all free places for a moment."""
    places, needs = settings.database_connections, needed(settings.ingestion_workers)
    if places < needs:
        raise NotConfigured(
            f"The flows need {needs} connections and FLEET_DATABASE_CONNECTIONS is {places}: raise the pooler's pool "
            "size and that setting, or lower FLEET_INGESTION_WORKERS."
        )
    with connect(settings) as connection, translated():
        taken = ours(connection)
        open_at_all = min(allowed_by_server(connection), taken + free(settings, max(0, places - taken)))
    if open_at_all < places:
        raise NotConfigured(
            f"FLEET_DATABASE_CONNECTIONS is {places}, and the database or its pooler gives us {open_at_all}: raise the "
            f"pooler's pool size, or lower that setting to no less than {needs}."
        )
    return f"{places} allowed, {needs} needed, {taken - 1} open now"


def _prefect(settings: Settings) -> str:
    if not settings.prefect_api_url:
        raise NotConfigured("PREFECT_API_URL is not set.")
    api, key = settings.prefect_api_url, settings.prefect_api_key.get_secret_value()
    if key:
        _ask_prefect(f"{api}/health", {"Authorization": f"Bearer {key}"}, "PREFECT_API_KEY")
        return f"workspace at {api}"
    words = settings.prefect_api_auth_string.get_secret_value()
    credentials = {"Authorization": f"Basic {base64.b64encode(words.encode()).decode()}"} if words else {}
    answer = _ask_prefect(f"{api}/admin/version", {**credentials, "Origin": _FOREIGN}, "PREFECT_API_AUTH_STRING")
    if not words and answer.headers.get("access-control-allow-origin") in {"*", _FOREIGN}:
        raise Refused(
            f"{api} lets anybody in, a page in your browser too: give the server PREFECT_SERVER_API_AUTH_STRING "
            "(user:password), and yourself and the workers the same as PREFECT_API_AUTH_STRING."
        )
    return f"server {answer.json()} at {api}"


def _notifications(settings: Settings) -> str:
    """Where alarms go. That they go nowhere is no fault: Prefect shows them, and CloudWatch has some of its own."""
    if settings.notifies:
        return f"alarms go to {settings.notify_block}, once flows are deployed or served"
    return "alarms notify nobody: set FLEET_NOTIFY_URL (docs/watching.md)"


def _ask_prefect(url: str, headers: dict[str, str], variable: str) -> httpx.Response:
    try:
        answer = httpx.get(url, headers=headers, timeout=_PATIENCE)
    except httpx.HTTPError as error:
        raise Unavailable(f"{url} does not answer.") from error
    if answer.status_code in {401, 403}:
        raise Refused(f"{url} does not know who we are: set {variable}.")
    if not answer.is_success:
        raise Unavailable(f"{url} answers {answer.status_code}: PREFECT_API_URL ends with /api, or is a workspace's.")
    return answer
