"""Each kind of thing that can be wrong: what it is called, how long it is borne, and what to do about it."""

from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

COMMAND_UNANSWERED_AFTER = timedelta(minutes=8)
"""Flip hears FAILED_OFFLINE after 12 minutes: so long before it somebody may still do something."""
CERTIFICATE_EXPIRES_WITHIN = timedelta(days=30)
QUEUE_AGE = timedelta(minutes=10)
"""Ingestion empties the queue within a minute."""
QUARANTINE_WITHIN, QUARANTINE_MESSAGES = timedelta(hours=1), 10
"""So many new messages in the quarantine within so long are more than a device's odd one."""
UNEXPLAINED_WITHIN = timedelta(hours=1)
ENERGY_WITHIN = timedelta(minutes=20)
"""Minutes of telemetry that are looked at for counters that make no sense."""


@dataclass(frozen=True)
class Kind:
    """A kind of alarm. `one` and `many` (with `{n}`) are what a notice is headed with; `to_do` is a sentence.

    `patience` is how long it has to last before anybody is told, `apart` how far two notices are apart at least: more
    that is wrong waits for the next. `page` is where the web app shows it ("": nowhere).
    """

    key: str
    one: str
    many: str
    to_do: str
    page: str = ""
    patience: timedelta = timedelta(0)
    apart: timedelta = timedelta(minutes=15)

    def headline(self, count: int) -> str:
        return self.one if count == 1 else self.many.format(n=f"{count:,}")


_ALL = (
    Kind(
        "device-silent",
        "A battery is silent",
        "{n} batteries are silent",
        "Many at once: look at the queue and at IoT Core first. One: it is off, or its network is.",
        page="fleet",
    ),
    Kind(
        "queue-stale",
        "A queue waits",
        "{n} queues wait",
        "Does ingest-telemetry run, or process-webhooks? Prefect shows why not, fleet doctor what is missing.",
        patience=timedelta(minutes=5),
    ),
    Kind(
        "dead-letters",
        "A dead-letter queue holds messages",
        "{n} dead-letter queues hold messages",
        "They could not be stored ten times over, or not be delivered: replay-quarantine shows why, and replays them.",
    ),
    Kind(
        "quarantine-filling",
        "The quarantine fills",
        "The quarantine fills, for {n} reasons",
        "fleet quarantine list shows why; after the cause is mended, fleet quarantine replay.",
    ),
    Kind(
        "certificate-expiring",
        "A battery's certificate expires soon",
        "The certificates of {n} batteries expire soon",
        "Run rotate-certificates (expires_within_days) while the batteries can still connect.",
        page="fleet",
    ),
    Kind(
        "command-unanswered",
        "A command has no answer yet, and Flip will count it as failed",
        "{n} commands have no answer yet, and Flip will count them as failed",
        "The battery is off, or cannot be reached. It is sent again until it ends.",
        page="dispatches",
        apart=timedelta(0),  # fifteen minutes later nothing is to be done any more
    ),
    Kind(
        "command-unexplained",
        "A battery obeys what we never gave",
        "{n} batteries obey what we never gave",
        "Somebody else commands it, or our database was set back: docs/safety.md says how to tell.",
        page="fleet",
    ),
    Kind(
        "energy-doubtful",
        "A battery's counters make no sense",
        "The counters of {n} batteries make no sense",
        "No energy is told for these minutes. A meter was replaced, or the inverter lies: compare its display.",
        page="fleet",
    ),
)
KINDS: MappingProxyType[str, Kind] = MappingProxyType({kind.key: kind for kind in _ALL})
