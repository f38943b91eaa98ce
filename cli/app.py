"""`fleet`: what an operator does at a terminal. `cli/declared/` has the commands, the rest of `cli/` what they do."""

import sys
from typing import Annotated

import typer

from cli.declared import cloud, devices, infra, operating, setup
from cli.style import group
from fleet.errors import FleetError

_NOT_INSTALLED, _OUR_FAULT = 3, 70

app = group("A home-battery fleet, from factory to power plant. Exit codes: 0 done, 1 failed or wrong, 2 wrong input.")
for beside in (cloud.cloud_app, setup.setup_app, devices.making_app, operating.operating_app):
    app.add_typer(beside)
for name, commands in {
    "infra": infra.infra_app,
    "devices": devices.devices_app,
    "quarantine": operating.quarantine_app,
    "webhooks": operating.webhooks_app,
    "dispatches": operating.dispatches_app,
    "flip": operating.flip_app,
    "terraform": infra.terraform_app,
    "account": infra.account_app,
}.items():
    app.add_typer(commands, name=name)


@app.callback()
def _options(debug: Annotated[bool, typer.Option("--debug", help="Show the stack trace of an error.")] = False) -> None:
    _state["debug"] = debug


_state = {"debug": False}


def main() -> None:
    """Run a command; what is wrong is one sentence on stderr, and an exit code (docs/command-line.md)."""
    try:
        code = app(prog_name="fleet", standalone_mode=False)
    except Exception as error:
        if _state["debug"]:
            raise
        code, sentence = _told(error)
        if sentence:
            print(f"fleet: {sentence}", file=sys.stderr)
    sys.exit(code)


def _told(error: Exception) -> tuple[int, str]:
    """The exit code and the sentence of what ended a command."""
    match error:
        case FleetError():
            return error.exit_code, str(error)
        case typer.TyperException():
            return error.exit_code, _usage(error)
        case typer.Abort():
            return 1, "Nothing was answered, so nothing more was done."
        case ModuleNotFoundError():
            return _NOT_INSTALLED, f"{error.name} is missing: install what this needs ('flip-fleet[cloud,local]')."
        case OSError():
            return _NOT_INSTALLED, f"{error}: check FLEET_STATE_DIR and the disk."
    return _OUR_FAULT, f"an error of ours: {error!r}; `fleet --debug ...` shows where, please report it."


def _usage(error: typer.TyperException) -> str:
    """What is wrong with the words that were typed, and where it says which are right; empty after a help."""
    words = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    return f"{words.rstrip('.')}: see {context.command_path} --help." if words and context else words


if __name__ == "__main__":
    main()
