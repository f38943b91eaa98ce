"""Messages that could not be stored yet: which of them are meant, and what would become of them now."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from fleet.errors import InvalidInput
from fleet.figures import Figures
from fleet.telemetry.message import Reason, Rejected

Source = Literal["quarantine", "dead-letters", "rule-errors"]
"""The table; the queue of what ingestion took ten times; the queue of what the topic rule could not hand over."""
DEAD_LETTER: Literal["dead_letter"] = "dead_letter"
"""The reason of a message that waits in a queue and can be read: nobody wrote down why it was not stored."""
WaitsFor = Literal["", "dead_letter", Reason]
"""Why a message waits; empty: for any reason."""
_THINGS_NAMED = 5


@dataclass(frozen=True)
class Wanted:
    """Which of the messages that wait are meant; what is empty or None leaves none out.

    The times are of the queue's clock, when it received the message; `until` itself is left out. Raises `InvalidInput`
    for a time without a zone and for an end before the start.
    """

    thing_name: str = ""
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        for name, moment in (("since", self.since), ("until", self.until)):
            if moment is not None and moment.tzinfo is None:
                raise InvalidInput(f"{name} is {moment}, without a zone: give one such as 2026-11-01T00:00:00Z.")
        if self.since and self.until and self.since >= self.until:
            raise InvalidInput(f"since ({self.since}) is not before until ({self.until}): exchange them.")

    def takes(self, thing_name: str | None, reason: str, received_at: datetime | None) -> bool:
        """Whether such a message is meant. One without a time is in no span of time."""
        if self.thing_name not in ("", thing_name) or self.reason not in ("", reason):
            return False
        if received_at is None:
            return self.since is None and self.until is None
        return (self.since is None or received_at >= self.since) and (self.until is None or received_at < self.until)


@dataclass
class Finding:
    """Messages that wait for one reason and would meet one fate. Times are the queue's clock, UTC."""

    reason: str
    fate: str
    messages: int = 0
    things: set[str] = field(default_factory=set)
    oldest: datetime | None = None
    newest: datetime | None = None
    detail: str = ""

    def row(self) -> dict[str, object]:
        """For a table: what strangers claim is cut, and of many devices some are named."""
        named = ", ".join(sorted(self.things)[:_THINGS_NAMED])
        more = f" and {len(self.things) - _THINGS_NAMED} more" if len(self.things) > _THINGS_NAMED else ""
        return {
            "waits for": self.reason, "would be": self.fate, "messages": self.messages, "devices": named + more,
            "oldest": self.oldest, "newest": self.newest, "why": self.detail,
        }  # fmt: skip


STORED, LEFT = "stored", "left as it is"


class Findings:
    """What was found, by reason and by fate."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Finding] = {}

    def add(self, reason: str, thing_name: str | None, received_at: datetime | None, refusal: Rejected | None) -> None:
        """Count a message that waits for `reason`; `refusal` is why it still cannot be stored as a whole."""
        fate = LEFT if refusal else STORED
        found = self._found.setdefault((reason, fate), Finding(reason, fate))
        found.messages += 1
        if thing_name:
            found.things.add(thing_name)
        if received_at is not None:
            found.oldest = min(found.oldest or received_at, received_at)
            found.newest = max(found.newest or received_at, received_at)
        found.detail = refusal.detail[:300] if refusal else ""

    def messages(self, fate: str) -> int:
        """How many would meet that fate."""
        return sum(found.messages for found in self._found.values() if found.fate == fate)

    def rows(self) -> list[dict[str, object]]:
        """A row a reason and fate, the most messages first."""
        return [
            found.row() for found in sorted(self._found.values(), key=lambda found: (-found.messages, found.reason))
        ]


@dataclass(frozen=True)
class Replayed(Figures):
    """What a replay did. `samples` are new rows, `duplicates` were stored before.

    `set_aside` went out of a queue into the quarantine, whole; `left` are where they were; `failed` are those of them
    that the database does not take.
    """

    messages: int = 0
    samples: int = 0
    duplicates: int = 0
    set_aside: int = 0
    left: int = 0
    failed: int = 0
