"""The homeowners' side of the embedded cloud: Supabase and Flip stand-ins, and the web app with what it may know."""

import base64
import json
from contextlib import ExitStack, suppress
from pathlib import Path

from pydantic import SecretStr

from fleet.adapters import aws
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.app_credentials import add_app_credential
from fleet.devices import write_owner_only
from fleet.infrastructure import InfrastructureNames, render_document
from fleet.settings import Settings, get_settings
from local_cloud import servers
from local_cloud.running import Cloud
from local_cloud.supabase.keys import read_keys

_WEB_USER = "local-web"


def start_stand_ins(cloud: Cloud, stack: ExitStack) -> None:
    """Supabase and Flip, before anything that talks to them."""
    local, state = cloud.local, cloud.state
    supabase_url, flip_url = f"http://127.0.0.1:{local.supabase_port}", f"http://127.0.0.1:{local.flip_port}"
    secrets = {
        "FLEET_FLIP_TOKEN": state.secret("flip-token"),
        "FLEET_FLIP_WEBHOOK_SECRET": "whsec_" + base64.b64encode(state.secret("flip-webhook").encode()).decode(),
    }
    cloud.export({"SUPABASE_URL": supabase_url, "FLEET_FLIP_BASE_URL": flip_url, **secrets})
    cloud.export({"FLEET_BASE_URL": f"http://127.0.0.1:{local.web_port}"})
    settings = get_settings()
    cloud.start(
        "supabase",
        servers.supabase(state.folder / "supabase", state.logs, local.supabase_port, settings, settings.base_url),
    )
    stack.callback(cloud.stop, "supabase")
    cloud.export({"SUPABASE_ANON_KEY": read_keys(state.folder / "supabase").anon_key})
    webhook_secret = settings.flip_webhook_secret.get_secret_value()
    token, admin = settings.flip_token.get_secret_value(), state.secret("flip-admin")
    cloud.start(
        "flip", servers.flip(state.folder / "flip.sqlite3", state.logs, local.flip_port, token, admin, webhook_secret)
    )
    stack.callback(cloud.stop, "flip")
    cloud.say(f"Supabase and Flip stand-ins are ready: {supabase_url}, {flip_url}")


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
