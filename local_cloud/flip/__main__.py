"""`python -m local_cloud.flip --port PORT --state FILE`: the stand-in, on loopback only.

Secrets come from the environment, where `ps` does not show them: FLIP_STANDIN_TOKEN (what clients send),
FLIP_STANDIN_ADMIN_TOKEN (what steers it), FLIP_STANDIN_WEBHOOK_SECRET (whsec_ and base64).
"""

import argparse
import os
from pathlib import Path

import uvicorn
from pydantic import ValidationError

from local_cloud.flip.access import Tokens, is_loopback
from local_cloud.flip.app import create_app

_VARIABLES = ("FLIP_STANDIN_TOKEN", "FLIP_STANDIN_ADMIN_TOKEN", "FLIP_STANDIN_WEBHOOK_SECRET")


def main(arguments: list[str] | None = None) -> None:
    """Serve until a signal comes; a refusal to start is one sentence and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m local_cloud.flip", description="A stand-in for Flip's API.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="SQLite file that keeps what it knows")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address; others are refused")
    parser.add_argument("--webhook-url", default="", help="where webhooks are posted, on this machine")
    options = parser.parse_args(arguments)
    if not is_loopback(options.host):
        parser.error(f"--host {options.host} is not this machine: the stand-in listens on loopback only.")
    try:
        app = create_app(options.state, _tokens(parser), options.webhook_url)
    except ValidationError as error:
        parser.error(f"--webhook-url: {error.errors()[0]['msg']}.")
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning", access_log=False, workers=1)


def _tokens(parser: argparse.ArgumentParser) -> Tokens:
    values = [os.environ.get(name, "") for name in _VARIABLES]
    if missing := [name for name, value in zip(_VARIABLES, values, strict=True) if not value]:
        parser.error(f"set {', '.join(missing)} in the environment.")
    return Tokens(*values)


if __name__ == "__main__":
    main()
