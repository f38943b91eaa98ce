"""The stand-in's clock, which a test may set ahead."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Now, UTC, plus what it was set ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def text(self) -> str:
        """Now as Flip writes a time."""
        return as_text(self.now())


def as_text(at: datetime) -> str:
    """A time as Flip writes it: ISO 8601, UTC, milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_time(text: str) -> datetime:
    """The time that `as_text` wrote."""
    return datetime.fromisoformat(text)
