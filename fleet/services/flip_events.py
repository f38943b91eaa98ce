"""A homeowner's say in a utility's event: to take part or not, and how much their batteries keep."""

from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres import Connection
from fleet.adapters.postgres.flip_events import FlipEvents
from fleet.adapters.postgres.homes import Homes
from fleet.errors import Conflict, NotFound
from fleet.flip import Event
from fleet.flip.requests import Done, FlipRequest, event_changes, event_to_change


def change_event(connection: Connection, flip: FlipClient, request: FlipRequest) -> Done:
    """Change the event at Flip, unless it is as wanted already, and keep what Flip then says of it.

    Raises `Conflict` when the event is over or was taken back, `NotFound` when Flip does not know it at this home.
    """
    homes = Homes(connection)
    site = homes.site(request.site_id, request.owner_id)
    event_id = event_to_change(request, homes.commissioned_at(site.id))
    try:
        event = flip.event(site.id, event_id)
        if changes := event_changes(request, event):
            event = flip.update_event(site.id, event_id, changes)
    except NotFound as error:
        raise NotFound("Flip does not know this event any more: nothing was changed.") from error
    except Conflict as error:
        raise Conflict("The event is over or was canceled: it can no longer be changed.") from error
    FlipEvents(connection).said(site.id, event)
    return Done(_sentence(event), {"event_id": event.id, "is_participating": event.is_participating})


def _sentence(event: Event) -> str:
    if not event.is_participating:
        return "Your home is not taking part in this event."
    return "Your home takes part in this event, with what you set."
