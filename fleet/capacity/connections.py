"""How many sessions of PostgreSQL the flows hold together, and how much at once that leaves room for.

A pooler in session mode has few places (15 on Supabase's smallest computes) and turns away whoever finds none, so what
is held is counted: by flow here, and by a test that runs each of them. The web app holds none: it speaks to REST.
"""

from dataclasses import dataclass

SPARE = 2
"""Places that nobody plans for: a run that takes over, and a command such as `fleet doctor`."""


@dataclass(frozen=True)
class Holder:
    """A flow: what it holds as long as it runs, and at most for moments, with the run that takes over from it."""

    flow: str
    held: int
    most: int
    what: str


INGESTION = Holder("ingest-telemetry", 2, 4, "its turn, storing; rolling up, the next run")
REQUESTS = Holder("process-flip-requests", 2, 3, "its turn, listening; the next run, and one for each request at work")
CONTINUOUS = (
    INGESTION,
    Holder("dispatch-commands", 4, 6, "its turn, listening, sending, telling Flip; who waits, the next run"),
    Holder("process-webhooks", 2, 4, "its turn, taking in; asking Flip, the next run"),
    REQUESTS,
)
"""Those that run without a pause. The others (forwarding, reconciling, maintenance, provisioning) come and go."""


def held(ingestion_workers: int) -> int:
    """Connections that are never free while the flows run."""
    return sum(one.held for one in CONTINUOUS) + (ingestion_workers - 1) * INGESTION.held


def needed(ingestion_workers: int) -> int:
    """The fewest places with which everything gets on: what is held, some to spare, and one request at a time."""
    return held(ingestion_workers) + SPARE + 1


def at_once(most: int, places: int, ingestion_workers: int) -> int:
    """How many of `most` may be at work at once, each with a connection, where there are `places`: one at least."""
    return max(1, min(most, places - held(ingestion_workers) - SPARE))
