"""The outbox of homeowners' requests to Flip. A request is one session's at a time, and free when that session ends."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from fleet.adapters.postgres import Connection, one, run, translated
from fleet.adapters.postgres.listening import Listener, listening
from fleet.flip.requests import BACKOFF, LATER, Declined, Done, FlipRequest
from fleet.settings import Settings

_MOST = 200


@dataclass(frozen=True)
class Waiting:
    """A request that is due, and what it is about."""

    request_id: str
    kind: str
    subject: str


class Inbox(Listener):
    """Watches for requests; the web app's insert wakes it."""

    def due(self) -> list[Waiting]:
        """What is to be worked off now, oldest first."""
        with translated():
            rows = run(self.connection, "flip_requests.due", limit=_MOST)
            return [Waiting(**row) for row in rows]


@contextmanager
def inbox(settings: Settings) -> Iterator[Inbox]:
    """An inbox that is listening."""
    with listening(settings, "flip_requests") as listener:
        yield Inbox(listener.connection)


class FlipRequests:
    """One session's view of the outbox. Commits nothing: the connection is in autocommit, or the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def claimed(self, request_id: str) -> Iterator[FlipRequest | None]:
        """The request, begun and held; None when it is over already or in another session's hands."""
        if not one(run(self._connection, "flip_requests.claim", request_id=request_id))["claimed"]:
            yield None
            return
        try:
            row = run(self._connection, "flip_requests.start", request_id=request_id).fetchone()
            yield FlipRequest(**row) if row else None
        finally:
            # A broken connection has let go of it already, and the error under way is the one to tell.
            if not self._connection.closed:
                run(self._connection, "flip_requests.release", request_id=request_id)

    def succeed(self, request: FlipRequest, done: Done) -> None:
        """It is done; the page shows the sentence and the answer."""
        answer = Jsonb(dict(done.answer))
        run(
            self._connection,
            "flip_requests.succeed",
            request_id=request.request_id,
            message=done.message,
            answer=answer,
        )

    def fail(self, request: FlipRequest, why: Declined) -> None:
        """It cannot be done so; the page shows the sentence and the fields, and may ask again."""
        fields = Jsonb([dict(field) for field in why.problem_fields])
        run(
            self._connection,
            "flip_requests.fail",
            request_id=request.request_id,
            message=why.message[:1000],
            problem_fields=fields,
        )

    def postpone(self, request: FlipRequest) -> None:
        """It waits, longer after each attempt, until Flip takes it."""
        wait = BACKOFF.wait_after(request.attempts)
        run(self._connection, "flip_requests.postpone", request_id=request.request_id, message=LATER, wait=wait)

    def ask_again(self, thing_names: Sequence[str]) -> int:
        """Have these batteries commissioned; returns how many requests that made or revived."""
        return int(run(self._connection, "flip_requests.ask_again", thing_names=list(thing_names)).rowcount)

    def ask_to_remove(self, departed: Sequence[tuple[str, str]]) -> int:
        """Have Flip let go of batteries, as (thing name, site id), that left their homes; returns how many that asks.

        One of which no departure is on record stays: our books may be the ones that are wrong.
        """
        names, sites = [name for name, _ in departed], [site_id for _, site_id in departed]
        return int(run(self._connection, "flip_requests.ask_to_remove", thing_names=names, site_ids=sites).rowcount)

    def leaving(self, thing_name: str) -> list[str]:
        """The ids of what is still to be asked of Flip so that it lets this battery go."""
        return [row["request_id"] for row in run(self._connection, "flip_requests.leaving", thing_name=thing_name)]

    def waiting(self) -> list[dict[str, Any]]:
        """What has not ended yet, for operators: `kind, subject, attempts, created_at, next_attempt_at` (UTC)."""
        return list(run(self._connection, "flip_requests.waiting", limit=_MOST))
