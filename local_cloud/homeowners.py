"""The homeowners' side of the embedded cloud: Supabase and Flip stand-ins, and the web app with what it may know."""

import base64
import json
from concurrent.futures import Executor
from contextlib import ExitStack, suppress
from pathlib import Path

from pydantic import SecretStr

from fleet.adapters import aws
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.app_credentials import add_app_credential
from fleet.devices import write_owner_only
from fleet.errors import NotConfigured
from fleet.infrastructure.documents import render_document
from fleet.infrastructure.names import InfrastructureNames
from fleet.infrastructure.outputs import load_outputs
from fleet.settings import Settings, get_settings
from local_cloud import servers
from local_cloud.flip.steering import Steering
from local_cloud.running import Cloud
from local_cloud.supabase.keys import read_keys
from local_cloud.webhook_route import on_this_machine

_WEB_USER = "local-web"


def start_stand_ins(cloud: Cloud, stack: ExitStack, beside: Executor) -> None:
    """Supabase and Flip, before anything that talks to them."""
    local, state = cloud.local, cloud.state
    supabase_url, flip_url = f"http://127.0.0.1:{local.supabase_port}", f"http://127.0.0.1:{local.flip_port}"
    secrets = {
        "FLEET_FLIP_TOKEN": state.secret("flip-token"),
        "FLEET_FLIP_WEBHOOK_SECRET": "whsec_" + base64.b64encode(state.secret("flip-webhook").encode()).decode(),
    }
    cloud.export({"SUPABASE_URL": supabase_url, "FLEET_FLIP_BASE_URL": flip_url, **secrets})
    cloud.export({"FLEET_BASE_URL": f"http://127.0.0.1:{local.web_port}"})
    flip = beside.submit(_start_flip, cloud, stack)
    _start_supabase(cloud, stack)
    flip.result()
    cloud.say(f"Supabase and Flip stand-ins are ready: {supabase_url}, {flip_url}")


def _start_supabase(cloud: Cloud, stack: ExitStack) -> None:
    settings, state = get_settings(), cloud.state
    home = state.folder / "supabase"
    cloud.start("supabase", servers.supabase(home, state.logs, cloud.local.supabase_port, settings, settings.base_url))
    stack.callback(cloud.stop, "supabase")
    cloud.export({"SUPABASE_ANON_KEY": read_keys(home).anon_key})


def _start_flip(cloud: Cloud, stack: ExitStack) -> None:
    settings, state = get_settings(), cloud.state
    webhook_secret = settings.flip_webhook_secret.get_secret_value()
    token, admin = settings.flip_token.get_secret_value(), state.secret("flip-admin")
    database, url, port = state.folder / "flip.sqlite3", _webhook_url(settings), cloud.local.flip_port
    cloud.start("flip", servers.flip(database, state.logs, port, token, admin, webhook_secret, url))
    stack.callback(cloud.stop, "flip")


def deliver_webhooks(cloud: Cloud) -> None:
    """Have Flip's stand-in post to the route that the infrastructure has; to be called once that is applied."""
    settings = get_settings()
    steering = Steering(settings.flip_base_url, cloud.state.secret("flip-admin"))
    steering.deliver_webhooks(url=_webhook_url(settings))
    steering.close()


def _webhook_url(settings: Settings) -> str:
    """Where the emulator serves the webhooks' route; empty before the infrastructure is applied."""
    try:
        return on_this_machine(load_outputs(settings.state_dir).webhook_url, settings.aws_endpoint_url)
    except NotConfigured:
        return ""


def start_web(cloud: Cloud, stack: ExitStack) -> None:
    """The web app, with the public key, AWS access for reading certificates, and its own credential.

    It runs as the same user as everything else here, who may read `.fleet/`: on a laptop that is no boundary.
    """
    settings, local, state = get_settings(), cloud.local, cloud.state
    credential = SecretStr(state.secret("app-credential"))
    with connect(settings) as connection:
        add_app_credential(connection, "embedded cloud", credential)
    key_id, secret_key = web_access_key(settings, state.folder / "web-access-key.secret")
    allowed = settings.model_copy(
        update={
            "aws_access_key_id": key_id,
            "aws_secret_access_key": SecretStr(secret_key),
            "app_credential": credential,
        }
    )
    cloud.start("web", servers.web(allowed, state.folder / "web", state.logs, local.web_port))
    stack.callback(cloud.stop, "web")
    cloud.say(f"the web app is ready: {settings.base_url}")


def web_access_key(settings: Settings, kept: Path) -> tuple[str, str]:
    """An access key that may do what the role `web` may, and no more: the one in the file `kept`, or else a new one."""
    if kept.exists():
        return _read_key(kept)
    iam = aws.client(settings, "iam")
    with aws.translated("to make the web app's access key"):
        account = aws.client(settings, "sts").get_caller_identity()["Account"]
        with suppress(iam.exceptions.EntityAlreadyExistsException):  # an earlier start was stopped right here
            iam.create_user(UserName=_WEB_USER)
        text = (settings.terraform_dir / "documents" / "web_policy.json").read_text()
        names = InfrastructureNames(settings.project)
        values = {"partition": "aws", "region": settings.aws_region, "account": account, "project": names.project}
        iam.put_user_policy(UserName=_WEB_USER, PolicyName="web", PolicyDocument=render_document(text, values))
        key = iam.create_access_key(UserName=_WEB_USER)["AccessKey"]
    write_owner_only(kept, json.dumps([key["AccessKeyId"], key["SecretAccessKey"]]).encode())
    return key["AccessKeyId"], key["SecretAccessKey"]


def _read_key(file: Path) -> tuple[str, str]:
    key_id, secret = json.loads(file.read_text())
    return key_id, secret
