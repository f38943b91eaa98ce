"""The homeowners' side of the embedded cloud: Supabase and Flip stand-ins, and the web app with what it may know."""

import base64
from concurrent.futures import Executor
from contextlib import ExitStack

from pydantic import SecretStr

from fleet.adapters.postgres import connect
from fleet.adapters.postgres.app_credentials import add_app_credential
from fleet.errors import NotConfigured
from fleet.infrastructure.outputs import load_outputs
from fleet.settings import Settings, get_settings
from local_cloud import servers
from local_cloud.flip.steering import Steering
from local_cloud.identities import as_owner, web_access_key, with_key
from local_cloud.running import Cloud
from local_cloud.supabase.keys import read_keys
from local_cloud.webhook_route import on_this_machine


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
    state = cloud.state
    settings, home = as_owner(get_settings(), state), state.folder / "supabase"  # it mails by SES
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
    """The web app, with the public key, AWS access for reading certificates, and its own credential."""
    settings, local, state = get_settings(), cloud.local, cloud.state
    credential = SecretStr(state.secret("app-credential"))
    with connect(settings) as connection:
        add_app_credential(connection, "embedded cloud", credential)
    key = web_access_key(as_owner(settings, state), state.folder / "web-access-key.secret")
    allowed = with_key(settings, key).model_copy(update={"app_credential": credential})
    cloud.start("web", servers.web(allowed, state.folder / "web", state.logs, local.web_port))
    stack.callback(cloud.stop, "web")
    cloud.say(f"the web app is ready: {settings.base_url}")
