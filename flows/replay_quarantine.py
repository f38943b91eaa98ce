"""Look at the messages that could not be stored, and try them again."""

from datetime import datetime
from typing import Any

from prefect import flow

from fleet.telemetry.waiting import Source, WaitsFor, Wanted
from flows.ending import ended
from flows.parameters import ThingNameOrNone
from flows.run_names import Parameters, of_its_parameters
from tasks.run_names import short
from tasks.telemetry import look_at_waiting, replay_waiting, report_replay, report_waiting


def run_name(given: Parameters) -> str:
    """What a run with these parameters is called."""
    verb = "look at" if given.get("dry_run", True) else "replay"
    thing = given.get("thing_name")
    return f"{verb} {given.get('source', 'quarantine')}{f' of {short(thing)}' if thing else ''}"


@flow(flow_run_name=of_its_parameters(run_name))
def replay_quarantine(
    source: Source = "quarantine",
    thing_name: ThingNameOrNone = "",
    reason: WaitsFor = "",
    since: datetime | None = None,
    until: datetime | None = None,
    dry_run: bool = True,
) -> Any:
    """Show what waits and what would become of it; without `dry_run` store what can be stored now.

    It may be canceled or killed at any moment and run again: what was stored twice is known.

    Args:
        source: The table (quarantine), the queue of what ingestion took ten times (dead-letters), or the queue of what
            the topic rule could not hand over (rule-errors).
        thing_name: Of this device alone. Empty: of any.
        reason: What waits for this reason alone, as the dry run names it. Empty: for any.
        since: What the queue received from here on.
        until: What the queue received before this.
        dry_run: Change nothing. Off: store what can be stored.
    """
    wanted = Wanted(thing_name, reason, since, until)
    if dry_run:
        return ended(report_waiting(source, look_at_waiting(source, wanted)).rstrip("."), [])
    replayed = replay_waiting(source, wanted)
    problem = f"{replayed.failed} messages the database does not take: fleet quarantine list says why."
    return ended(report_replay(source, replayed), [problem] if replayed.failed else [], vars(replayed))
