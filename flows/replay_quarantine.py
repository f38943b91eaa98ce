"""Look at the messages that could not be stored, and try them again."""

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.states import Completed, Failed

from fleet.telemetry.waiting import Source, Wanted
from tasks.telemetry import look_at_waiting, replay_waiting, report_replay, report_waiting


@flow
def replay_quarantine(
    source: Source = "quarantine",
    thing_name: str = "",
    reason: str = "",
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
        return Completed(message=report_waiting(source, look_at_waiting(source, wanted)))
    replayed = replay_waiting(source, wanted)
    sentence = report_replay(source, replayed)
    if replayed.failed:
        return Failed(message=f"{sentence}. {replayed.failed} the database does not take: fleet quarantine list.")
    return Completed(message=sentence, data=vars(replayed))
