"""What Flip is to be told of a command, and when."""

from dataclasses import replace
from datetime import datetime, timedelta

from fleet.commands.life import Command, State

OFFLINE_AFTER = timedelta(minutes=12)
"""Flip counts a command as failed after 15 minutes without an answer."""
OK, FAILED_OFFLINE, FAILED_FAULT = "OK", "FAILED_OFFLINE", "FAILED_FAULT"


def report_on(command: Command, now: datetime) -> str | None:
    """OK, FAILED_FAULT or FAILED_OFFLINE for the current revision; None while there is still time for an answer.

    May change later: a battery that was thought to be offline answers, or fails at what it had acknowledged.
    """
    if command.order.is_taken_back and command.state in {State.CANCELED, State.DONE}:
        return OK
    if command.state is State.FAILED:
        return FAILED_FAULT
    if command.acknowledged_at is not None or command.state is State.CANCELED:
        return OK
    return FAILED_OFFLINE if now >= command.revised_at + OFFLINE_AFTER else None


def reason_for(report: str, reason: str) -> str:
    """What Flip is to read beside the report, a sentence or ""; `reason` is what the battery or our checks said."""
    if report == FAILED_OFFLINE:
        return f"The battery has not answered for {OFFLINE_AFTER.total_seconds() / 60:.0f} minutes."
    return reason if report == FAILED_FAULT else ""


def with_report(command: Command, now: datetime) -> Command:
    """The command with what Flip is to be told now, due at once if that is new."""
    report = report_on(command, now)
    if report is None or (report, command.revision) == (command.report, command.report_revision):
        return command
    return replace(command, report=report, report_revision=command.revision, next_report_at=now)
