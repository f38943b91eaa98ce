"""Whether Flip's webhooks come: by an earlier page it stops after a few failures, until they are turned on by hand."""

from datetime import datetime, timedelta

TOLD_WITHIN = timedelta(minutes=10)
"""A webhook and its redeliveries have come by then, if they come at all."""
_CHECK = "look in Flip's console whether their delivery is suspended, and whether the address there is ours."


def is_missed(said_at: datetime, asked_at: datetime) -> bool:
    """Whether a webhook should have told of what Flip said at `said_at`, before it was asked for it."""
    return asked_at - said_at > TOLD_WITHIN


def silence(received: int, missed: int, heard_at: datetime | None, now: datetime, unusual: timedelta) -> str:
    """What to tell the operator, a sentence; "" when nothing is unusual.

    `received` webhooks came while Flip's own list had `missed` commands that are news; the last one came at `heard_at`
    (None: nobody waits for one). `unusual` is the longest silence that means nothing; zero: any does.
    """
    if missed and not received:
        return f"Flip lists {missed} commands that no webhook told of: {_CHECK}"
    if heard_at and unusual and now - heard_at > unusual:
        return f"No webhook has come since {heard_at:%Y-%m-%d %H:%M} UTC: {_CHECK}"
    return ""
