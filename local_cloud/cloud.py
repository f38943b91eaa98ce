"""The embedded cloud: PostgreSQL, AWS and Prefect started in the order in which they need one another."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from fleet.adapters.postgres.migrations import migrate
from fleet.commands.signing import Signer, new_private_key
from fleet.devices import write_owner_only
from fleet.errors import Conflict
from fleet.settings import get_settings
from local_cloud import homeowners, keeper, servers
from local_cloud.identities import OWNER_KEY, as_owner, ensure_deployer, operator_access_key
from local_cloud.prefect_api import crash_runs_without_process
from local_cloud.running import Cloud, Say
from local_cloud.settings import LocalSettings
from local_cloud.state import State


@contextmanager
def running(local: LocalSettings, say: Say) -> Iterator[Cloud]:
    """The whole cloud, its addresses in this process's environment. Everything stops on leaving.

    All of it is ready but the flows, which are being served: `Cloud.wait_for_flows` is for whoever needs them.
    Raises `Conflict` (it runs already, a port is taken) and `Unavailable` (a server did not start).
    """
    state = State(local.state_dir.resolve())
    keeper.keep()  # what is started ends with this process, also if that is killed
    with ExitStack() as stack:
        state.forget_environment()
        _take_over(local, state, say, stack)
        cloud = Cloud(local, state, say)
        _start_postgres(cloud, stack)
        with ThreadPoolExecutor() as beside:  # what does not need each other starts side by side
            prefect = beside.submit(_start_prefect, cloud, stack)
            _start_aws(cloud, stack)
            migrate(get_settings())
            homeowners.start_stand_ins(cloud, stack, beside)
            web = beside.submit(homeowners.start_web, cloud, stack)
            prefect.result()
            cloud.flows = beside.submit(_serve_flows, cloud, stack)
            web.result()
            yield cloud


def _take_over(local: LocalSettings, state: State, say: Say, stack: ExitStack) -> None:
    orphans = state.stop_orphans() if state.supervisor() is None else []
    state.hold()
    stack.callback(state.release)
    if orphans:
        say(f"stopped what a killed run had left running: {', '.join(orphans)}")
    refuse_taken_ports(local)
    if not state.survived():
        aside = state.set_aside(datetime.now(UTC))
        say(f"the last run was killed and its local AWS is lost: beginning afresh (what it had is in {aside})")


def refuse_taken_ports(local: LocalSettings) -> None:
    """Raise `Conflict` naming the first port that another program holds, and the variable that moves ours."""
    for variable, port in local.ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise Conflict(
                    f"Port {port} is taken by another program: stop it, or choose another with {variable}=PORT."
                ) from error


def _start_postgres(cloud: Cloud, stack: ExitStack) -> None:
    state = cloud.state
    url = os.environ.get("DATABASE_URL")
    if not url:
        server = servers.postgres(state.folder / "postgres")
        stack.callback(server.stop)
        state.remember_child("postgres", server.pid)
        url = server.url
        cloud.export({"FLEET_DATABASE_CONNECTIONS": os.environ.get("FLEET_DATABASE_CONNECTIONS") or "40"})  # of its 100
    servers.make_room_for_prefect(url)  # now, while nobody else makes schemas
    cloud.export({"DATABASE_URL": url})
    cloud.say("PostgreSQL is ready")


def _start_aws(cloud: Cloud, stack: ExitStack) -> None:
    local, state, secret = cloud.local, cloud.state, cloud.state.secret("aws")
    cloud.start(
        "aws", servers.aws(state.folder / "aws", state.logs, local.aws_port, local.mqtt_port, OWNER_KEY, secret)
    )
    stack.callback(cloud.stop, "aws")
    trust_anchor = state.folder / "iot-ca.pem"
    write_owner_only(trust_anchor, servers.iot_trust_anchor(local.aws_port))
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{local.aws_port}",
        "AWS_REGION": "us-east-1",
        "FLEET_IOT_ENDPOINT": "localhost",
        "FLEET_IOT_PORT": str(local.mqtt_port),
        "FLEET_IOT_CA_FILE": str(trust_anchor),
        "FLEET_PROVISIONING_RATE_PER_S": "0",
        "FLEET_ASSUME_JOB_ROLES": "true",
        "FLEET_STATE_DIR": str(state.folder),
        "FLEET_ARTIFACTS_DIR": str(state.folder / "devices"),
    }
    cloud.export(environment)
    owner = as_owner(get_settings(), state)
    key_id, secret = operator_access_key(owner, state.folder / "operator-access-key.secret")
    cloud.export(
        {
            "AWS_ACCESS_KEY_ID": key_id,
            "AWS_SECRET_ACCESS_KEY": secret,
            "FLEET_DEPLOYER_ROLE_ARN": ensure_deployer(owner),
        }
    )
    cloud.export(_command_key(state))
    cloud.say(f"AWS is ready: {environment['AWS_ENDPOINT_URL']}, devices at localhost:{local.mqtt_port}")


def _command_key(state: State) -> dict[str, str]:
    """Made once. What `fleet command-key --next` prints may be set in the environment in its place."""
    file = state.folder / "command-key.secret"
    if not file.exists():
        write_owner_only(file, new_private_key().encode())
    key = os.environ.get("FLEET_COMMAND_KEY") or file.read_text()
    return {"FLEET_COMMAND_KEY": key, "FLEET_COMMAND_PUBLIC_KEY": Signer(key).public_key.text}


def _start_prefect(cloud: Cloud, stack: ExitStack) -> None:
    local, state = cloud.local, cloud.state
    cloud.export({"PREFECT_API_URL": _prefect_api(local), "PREFECT_HOME": str(state.folder / "prefect")})
    database_url = get_settings().require_database_url()
    cloud.start("prefect", servers.prefect(state.logs, local.prefect_port, database_url, local.prefect_runs_kept_h))
    stack.callback(cloud.stop, "prefect")
    cloud.say(f"Prefect is ready: http://127.0.0.1:{local.prefect_port}")


def _serve_flows(cloud: Cloud, stack: ExitStack) -> None:
    """After all that the flows reach: they have the addresses that are exported by now."""
    local, api = cloud.local, _prefect_api(cloud.local)
    if dead := crash_runs_without_process(api):
        cloud.say(f"marked {dead} flow runs of the last session as crashed: their processes ended with it")
    cloud.start("flows", servers.flows(cloud.state.logs, api, local.ingest_every_s))
    stack.callback(cloud.stop, "flows")
    cloud.say("the flows are deployed and served")


def _prefect_api(local: LocalSettings) -> str:
    return f"http://127.0.0.1:{local.prefect_port}/api"
