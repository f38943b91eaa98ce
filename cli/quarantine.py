"""`fleet quarantine replay`: what waits, and trying it again."""

from typing import cast, get_args

from cli.history import moment
from cli.tables import print_table
from fleet.errors import InvalidInput
from fleet.telemetry.waiting import Source, Wanted
from tasks.telemetry import look_at_waiting, replay_waiting


def replay(source: str, thing: str, reason: str, since: str, until: str, really: bool) -> None:
    """Show what waits in `source`, or, `really`, store what can be stored. Raises `InvalidInput` naming the option."""
    if source not in get_args(Source):
        raise InvalidInput(f"--source is {source!r}: name one of {', '.join(get_args(Source))}.")
    times = (moment(since, "--since") if since else None, moment(until, "--until") if until else None)
    chosen, wanted = cast(Source, source), Wanted(thing, reason, *times)
    if not really:
        print_table(look_at_waiting.fn(chosen, wanted).rows(), empty=f"Nothing that is meant waits in {source}.")
        return
    done = replay_waiting.fn(chosen, wanted)
    print(
        f"{done.messages} messages replayed, {done.samples} samples stored, {done.duplicates} were known, "
        f"{done.set_aside} put into the quarantine, {done.left} left."
    )
