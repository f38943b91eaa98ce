"""docs/command-line.md, written from the parsers: `python -m cli.reference` brings the page up to date."""

from inspect import cleandoc
from pathlib import Path
from textwrap import fill
from typing import Any

import typer
from typer.core import TyperArgument, TyperGroup
from typer.main import get_command

from cli.app import app
from cli.style import EXAMPLE

PAGE = Path(__file__).parents[1] / "docs" / "command-line.md"
BEGIN = "\n## The commands\n"
_WIDTH = 118
_KINDS = {"str": "TEXT", "list[str]": "TEXT", "path": "PATH"} | dict.fromkeys(("int", "float"), "N")
_KINDS |= dict.fromkeys(("int range", "float range"), "N")


def commands() -> dict[str, Any]:
    """Every command by the words that call it, hidden ones too, in the order of the help."""
    return dict(_below(get_command(app), ()))


def _below(command: Any, path: tuple[str, ...]) -> list[tuple[str, Any]]:
    if isinstance(command, TyperGroup):
        return [found for name, each in command.commands.items() for found in _below(each, (*path, name))]
    return [(" ".join(path), command)]


def examples(command: Any) -> list[str]:
    """The examples in a command's help."""
    lines = (command.epilog or "").splitlines()
    return [line.removeprefix(EXAMPLE) for line in lines if line.startswith(EXAMPLE)]


def page() -> str:
    """The page: what a person wrote, up to the heading below which the commands are."""
    written = PAGE.read_text().partition(BEGIN)[0]
    shown = {name: each for name, each in commands().items() if not each.hidden}
    return f"{written}{BEGIN}\n" + "\n".join(_section(name, each) for name, each in shown.items())


def _section(name: str, command: Any) -> str:
    shown = [each for each in command.params if "--json" not in each.opts]
    usage = " ".join([f"fleet {name}", *(_word(each) for each in shown if isinstance(each, TyperArgument))])
    called = "\n".join(examples(command))
    rows = "".join(f"| {_names(each, typer.Context(command))} | {_help(each)} |\n" for each in shown)
    table = f"\n| | |\n| --- | --- |\n{rows}" if rows else ""
    return f"### `{usage}`\n\n{_wrapped(command.help)}\n\n```sh\n{called}\n```\n{table}"


def _word(argument: Any) -> str:
    word = argument.metavar or argument.name.upper()
    return word if argument.required else f"[{word}]"


def _names(parameter: Any, context: typer.Context) -> str:
    if isinstance(parameter, TyperArgument):
        return f"`{_word(parameter)}`"
    names = ", ".join([f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts)])
    kind = parameter.display_type(context).strip("<>")
    value = "" if parameter.is_flag else f" `{parameter.metavar or _KINDS.get(kind, kind)}`"
    return names + value.replace("|", "\\|")


def _help(parameter: Any) -> str:
    text = parameter.help or ""
    is_shown = parameter.default not in (None, "", False, True)
    return f"{text} Default: {parameter.default}." if is_shown else text


def _wrapped(text: str) -> str:
    return "\n\n".join(fill(" ".join(part.split()), _WIDTH) for part in cleandoc(text).split("\n\n"))


if __name__ == "__main__":
    PAGE.write_text(page())
