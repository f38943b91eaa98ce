"""Before something is done that cannot be taken back: whoever sits there is asked, and a script has to say `--yes`."""

import sys

from fleet.errors import FleetError, InvalidInput


def agree(question: str, yes: bool) -> None:
    """Return if it may be done. Raises `InvalidInput` where nobody can be asked, `FleetError` if the answer is no."""
    if yes:
        return
    if not can_be_asked():
        raise InvalidInput("This has to be agreed to and nobody can be asked here: add --yes if it is meant.")
    # Not by input(), which writes to stdout: that is for what the command says.
    print(f"{question} [y/N]: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise FleetError("Nothing was changed.")


def can_be_asked() -> bool:
    """Whether a person sits at both ends: the question goes to stderr, the answer comes from stdin."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def is_typed_out(project: str, own: str) -> None:
    """Raises `InvalidInput` unless `project` is our `own`: it is typed so that no other ends by mistake."""
    if project != own:
        raise InvalidInput(f"{project!r} is not this project's name ({own!r}): nothing was deleted.")
