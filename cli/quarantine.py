"""`fleet quarantine replay`: what waits, and trying it again."""

from cli.history import moment
from cli.output import Output
from fleet.errors import FleetError
from fleet.telemetry.waiting import Source, Wanted


def replay(source: Source, thing: str, reason: str, since: str, until: str, really: bool, out: Output) -> None:
    """Show what waits in `source`, or, `really`, store what can be stored. Raises `InvalidInput` naming the option."""
    times = (moment(since, "--since") if since else None, moment(until, "--until") if until else None)
    wanted = Wanted(thing, reason, *times)
    # Not before: it loads Prefect, and who is refused does not wait for that.
    from tasks.telemetry import look_at_waiting, replay_waiting

    if not really:
        out.rows(look_at_waiting.fn(source, wanted).rows(), empty=f"Nothing that is meant waits in {source}.")
        return
    done = replay_waiting.fn(source, wanted)
    out.result(
        vars(done),
        f"{done.messages} messages replayed, {done.samples} samples stored, {done.duplicates} were known, "
        f"{done.set_aside} put into the quarantine, {done.left} left.",
    )
    if done.failed:
        raise FleetError(f"{done.failed} of what is left the database does not take: fleet quarantine list.")
