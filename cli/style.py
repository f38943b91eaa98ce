"""One style for every command: an example in each help, the same options everywhere, nothing loaded before it is used.

`fleet --help` and completion import this and the declarations in `cli/declared/`, and neither pydantic, psycopg, boto3
nor Prefect: what a command needs it imports in its own body.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

Body = TypeVar("Body", bound=Callable[..., None])

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object or list on stdout, and nothing else there.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Follow the run to its end; without, only say where it is.")
]
EXAMPLE = "Example: "


class Command(TyperCommand):
    """A command that reads `.env` before it works: parsing, help and completion need none of it."""

    def invoke(self, ctx: Any) -> Any:
        from fleet.settings import load_environment

        load_environment()
        return super().invoke(ctx)


def group(help: str = "") -> typer.Typer:
    """Commands with a name in common, or without a `help` some that stand beside the groups."""
    return typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=help or None)


def command(app: typer.Typer, name: str, *examples: str, hidden: bool = False) -> Callable[[Body], Body]:
    """Declare a command of `app`: each of its `examples` is a whole line as it is typed, the first word `fleet`."""
    epilog = "\n\n".join(f"{EXAMPLE}{example}" for example in examples)
    return app.command(name, cls=Command, epilog=epilog, hidden=hidden)


def _device_names(incomplete: str) -> list[str]:
    """Those of the ledger that begin so; none where it cannot be asked."""
    from cli.device_names import beginning_with

    return beginning_with(incomplete)


Device = Annotated[str, typer.Argument(metavar="NAME", help="Its thing name.", autocompletion=_device_names)]
Devices = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="Thing names, up to 1,000.", autocompletion=_device_names)
]
OfDevice = Annotated[str, typer.Option("--device", metavar="NAME", help="Of it alone.", autocompletion=_device_names)]
