"""Flip's events as it told them in answers to us. Commits nothing: that is the caller's."""

import msgspec
from psycopg.types.json import Jsonb

from fleet.adapters.postgres import Connection, run
from fleet.flip import Event


class FlipEvents:
    """One session's view of the events."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def said(self, site_id: str, event: Event) -> None:
        """Keep what an answer of Flip's says of a home's event.

        An answer has no time of Flip's clock, so `flip_updated_at` stays: the webhook that follows has the last word.
        """
        values = {
            "event_id": event.id,
            "site_id": site_id,
            "starts_at": event.starts_at,
            "ends_at": event.end,
            "status": event.status,
            "is_participating": event.is_participating,
            "schedule": Jsonb(msgspec.to_builtins(event.schedule)),
            "device_settings": Jsonb(msgspec.to_builtins(event.device_settings)),
        }
        run(self._connection, "flip_events.said", **values)
