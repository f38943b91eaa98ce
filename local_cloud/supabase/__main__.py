"""`python -m local_cloud.supabase`: serve the stand-in on loopback. Secrets come from the environment and files."""

import argparse
import ipaddress
import logging
import os
import signal
import sys
import time
from pathlib import Path

import uvicorn

from fleet.adapters import aws
from fleet.adapters.aws.ses import Mailer
from fleet.errors import FleetError, InvalidInput, NotConfigured
from fleet.settings import Settings, get_settings
from local_cloud.supabase.app import make_app
from local_cloud.supabase.config import read_config
from local_cloud.supabase.database import AUTH_ADMIN, AUTHENTICATOR, bootstrap, open_pool
from local_cloud.supabase.keys import ensure_keys
from local_cloud.supabase.service import Service
from local_cloud.supabase.tokens import Keyring

logger = logging.getLogger("local_cloud.supabase")


def main(arguments: list[str]) -> int:
    """Serve until stopped. Returns the exit code; says in one sentence what is wrong."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    options = _parse(arguments)
    # uvicorn hands the signal on when it has finished: then the pools are closed and this is an orderly end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        serve(options)
    except FleetError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


def serve(options: argparse.Namespace) -> None:
    """Make the database ready and answer requests. Raises a `FleetError` before it listens, or not at all."""
    require_loopback(options.host)
    settings = get_settings()
    database_url = os.environ.get(options.database_url_env, "")
    if not database_url:
        raise NotConfigured(f"{options.database_url_env} is not set: put the database's address there.")
    config = read_config(options.config, options.site_url or settings.base_url)
    keys = ensure_keys(options.state, int(time.time()))
    bootstrap(database_url, keys)
    verify_sender(settings)
    with (
        open_pool(database_url, AUTH_ADMIN, keys.auth_admin_password, size=4) as auth_pool,
        open_pool(database_url, AUTHENTICATOR, keys.authenticator_password, size=10) as rest_pool,
    ):
        public_url = f"http://{options.host}:{options.port}"
        service = Service(config, Keyring(keys), Mailer(settings), auth_pool, rest_pool, public_url)
        uvicorn.run(
            make_app(service),
            host=options.host,
            port=options.port,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,  # longer than clients keep an idle connection, so that none is cut mid-request
            timeout_graceful_shutdown=5,
        )


def require_loopback(host: str) -> None:
    """Raise `InvalidInput` unless `host` is an address of this machine alone."""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise InvalidInput(f"The embedded Supabase listens on loopback only, not on {host}: use 127.0.0.1.")


def verify_sender(settings: Settings) -> None:
    """Verify the sender in the embedded cloud's SES, which needs no click. Never done on the real one."""
    if settings.aws_endpoint_url:
        with aws.translated("verifying the sender's address"):
            aws.client(settings, "ses").verify_email_identity(EmailAddress=settings.sender_email)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local_cloud.supabase", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on")
    parser.add_argument("--port", type=int, required=True, help="TCP port to listen on")
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps the project's keys (0600)")
    parser.add_argument("--config", type=Path, default=Path("supabase/config.toml"), help="the project's config.toml")
    parser.add_argument("--site-url", default="", help="address of the web app, instead of FLEET_BASE_URL")
    parser.add_argument(
        "--database-url-env", default="DATABASE_URL", help="variable that holds the database owner's address"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
