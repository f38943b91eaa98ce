"""What Flip posted: each webhook once, those that are not believed, and the events they told of.

Commits nothing: that is the caller's.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from fleet.adapters.postgres import Connection, one, run
from fleet.flip import Event
from fleet.flip.signature import Posted, Refusal, Verified

Outcome = Literal["applied", "outdated", "unknown_type", "unknown_subject", "unreadable"]

REFUSED_A_DAY = 5_000
REFUSED_BYTES = 2 * 1024
"""A stranger may post as fast as the route lets him: what is kept of it, 300 MB in 30 days, fits on any disk."""
_SHOWN_BYTES = 60


class Webhooks:
    """One session's view of the webhooks. Of a day's refused ones the first `refused_per_day` are kept."""

    def __init__(self, connection: Connection, refused_per_day: int = REFUSED_A_DAY) -> None:
        self._connection, self._refused_per_day = connection, refused_per_day

    def keep(self, webhook: Verified, event_type: str, outcome: Outcome, detail: str = "") -> bool:
        """Store it with its body; False when its id is here already. Another session's same id is waited for."""
        return self._keep(webhook, event_type, webhook.text, outcome, detail)

    def keep_unreadable(self, webhook: Verified, event_type: str, detail: str) -> bool:
        """Store one whose body is no JSON that PostgreSQL takes: as text."""
        return self._keep(webhook, event_type, Jsonb(webhook.text), "unreadable", detail)

    def _keep(self, webhook: Verified, event_type: str, body: str | Jsonb, outcome: Outcome, detail: str) -> bool:
        kept = run(
            self._connection,
            "webhooks.keep",
            webhook_id=webhook.webhook_id,
            event_type=event_type[:200],
            sent_at=webhook.sent_at,
            queued_at=webhook.queued_at,
            body=body,
            outcome=outcome,
            detail=detail[:1000],
        )
        return bool(kept.rowcount)

    def conclude(self, webhook: Verified, outcome: Outcome, detail: str) -> None:
        """Write down what became of it."""
        run(self._connection, "webhooks.conclude", webhook_id=webhook.webhook_id, outcome=outcome, detail=detail[:1000])

    def refuse(self, posted: Posted, refusal: Refusal) -> bool:
        """Keep one that is not believed, for the operator; False when it is kept already or too many came today."""
        kept = run(
            self._connection,
            "webhooks.refuse",
            message_id=posted.message_id,
            reason=refusal.reason,
            detail=refusal.detail,
            webhook_id=posted.webhook_id.encode("ascii", "replace").decode()[:200],
            body=posted.body[:REFUSED_BYTES],
            queued_at=posted.queued_at,
            most_per_day=self._refused_per_day,
        )
        return bool(kept.rowcount)

    def site_of(self, site_id: str | None, thing_names: Sequence[str]) -> str | None:
        """The id of the home that is named, or else of the one where these batteries are; None for an unknown one."""
        known = {"site_id": _uuid(site_id), "is_named": site_id is not None, "thing_names": list(thing_names)}
        row = run(self._connection, "webhooks.site_of", **known).fetchone()
        return str(row["site_id"]) if row else None

    def put_event(self, site_id: str, event: Event, said_at: datetime, heard_at: datetime) -> bool:
        """Mirror an event of that home; False when what is kept is as new. `said_at` is Flip's clock."""
        kept = run(
            self._connection,
            "webhooks.put_event",
            event_id=event.id,
            site_id=site_id,
            starts_at=event.starts_at,
            ends_at=event.end,
            status=event.status,
            is_participating=event.is_participating,
            schedule=Jsonb(msgspec.to_builtins(event.schedule)),
            device_settings=Jsonb(msgspec.to_builtins(event.device_settings)),
            heard_at=heard_at,
            said_at=said_at,
        )
        return bool(kept.rowcount)

    def recent(self, limit: int) -> list[dict[str, Any]]:
        """The last ones: `queued_at` (UTC)`, event_type, outcome, subject, webhook_id, detail`."""
        return list(run(self._connection, "webhooks.recent", limit=limit))

    def of_type(self, event_type: str, limit: int) -> list[dict[str, Any]]:
        """The last ones of that type: `queued_at` (UTC)`, webhook_id, event_object`."""
        return list(run(self._connection, "webhooks.of_type", event_type=event_type, limit=limit))

    def heard_at(self) -> datetime | None:
        """When the last one came (UTC), or since when one may; None where Flip knows no battery of ours."""
        row = run(self._connection, "webhooks.heard").fetchone()
        return row["heard_at"] if row else None

    def refused(self, limit: int) -> list[dict[str, Any]]:
        """The last refused: `queued_at` (UTC)`, reason, detail, webhook_id, bytes, begins_with`."""
        return list(run(self._connection, "webhooks.refused", limit=limit, shown=_SHOWN_BYTES))

    def prune(self, before: datetime) -> int:
        """Forget what was processed or refused before; returns how many."""
        return int(one(run(self._connection, "webhooks.prune", before=before))["forgotten"])


def _uuid(text: str | None) -> str | None:
    try:
        return str(UUID(text)) if text else None
    except ValueError:
        return None
