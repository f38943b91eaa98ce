"""`fleet status`: the fleet at a glance, and what is wrong with it now, by the rules that watch-fleet alarms by."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from cli.output import Output
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.inspection import Inspection
from fleet.errors import FleetError
from fleet.services.watching import LOOKS, World, world_of
from fleet.settings import Settings, get_settings
from fleet.watching.kinds import KINDS
from tasks.jobs import settings_of

_SHOWN = 3
Row = dict[str, Any]


def show(out: Output) -> int:
    """Print figures and findings; 1 if anything is wrong or could not be looked at, else 0. Powers are W, times UTC."""
    # Where there are no outputs yet, the database has something to tell all the same.
    found, no_role = _asked(lambda: settings_of("watching"))
    settings = found or get_settings()
    with connect(settings) as connection:
        world = world_of(connection, settings)
        since = world.now - timedelta(minutes=settings.silent_after_minutes)
        figures = {"project": settings.project, "at": world.now, **Inspection(connection).fleet(since)}
        waiting, failure = _asked(lambda: _depth(settings))
        figures |= {"waiting_messages": waiting, "queue_failure": failure and (no_role or failure)}
        wrong = list(_wrong(world, no_role))
    out.result({**figures, "wrong": wrong}, *_lines(figures, settings))
    if not out.as_json:
        out.say("")
        out.rows([_told(row) for row in wrong], empty="Nothing is wrong.")
    return 1 if wrong else 0


def _wrong(world: World, no_role: str | None) -> Iterator[Row]:
    """What stands, kind by kind; `no_role` is why a look may have failed, in better words than AWS has for it."""
    for key, look in LOOKS.items():
        found, failure = _asked(lambda look=look: look(world))  # type: ignore[misc]
        if failure:
            yield {
                "kind": key,
                "what": "It could not be looked at",
                "subjects": [],
                "count": 0,
                "to_do": no_role or failure,
            }
        elif found:
            subjects = [f"{one.subject} ({one.detail})" for one in found]
            kind = KINDS[key]
            headline = kind.headline(len(found))
            yield {"kind": key, "what": headline, "subjects": subjects, "count": len(found), "to_do": kind.to_do}


def _asked(ask: Callable[[], Any]) -> tuple[Any, str | None]:
    try:
        return ask(), None
    except FleetError as error:
        return None, str(error)


def _depth(settings: Settings) -> int:
    with Queue(settings, settings.names.telemetry_queue) as queue:
        return queue.depth()


def _told(row: Row) -> Row:
    subjects = row["subjects"] or [row["kind"]]
    more = f" and {len(subjects) - _SHOWN} more" if len(subjects) > _SHOWN else ""
    which = ", ".join(subjects[:_SHOWN]) + more
    return {"what": row["what"], "which": which, "what_to_do": row["to_do"]}


def _lines(figures: Row, settings: Settings) -> Iterator[str]:
    heard, charge = figures["heard_lately"], figures["state_of_charge_pct"]
    newest, waiting = figures["newest_message_at"], figures["waiting_messages"]
    yield (
        f"{figures['in_service']:,} batteries in service, {heard:,} heard within {settings.silent_after_minutes:g} "
        f"minutes, {figures['never_heard']:,} never yet; {figures['being_provisioned']:,} being provisioned, "
        f"{figures['failed']:,} failed, {figures['revoked']:,} revoked"
    )
    if heard:
        yield (
            f"charging {figures['charge_power_w'] / 1000:,.1f} kW, discharging "
            f"{figures['discharge_power_w'] / 1000:,.1f} kW, {figures['stored_energy_wh'] / 1000:,.1f} kWh stored"
            + ("" if charge is None else f", {charge:.0f} % on average")
        )
    yield f"{figures['registered']:,} registered, {figures['known_to_flip']:,} of them at Flip"
    yield (
        f"{figures['open_commands']:,} commands under way, {figures['waiting_flip_requests']:,} requests to Flip wait, "
        f"{figures['in_quarantine']:,} messages in the quarantine"
    )
    yield (
        f"newest message of {newest:%Y-%m-%d %H:%M:%S} UTC" if newest else "no message yet"
    ) + f"; {'an unknown number of' if waiting is None else f'about {waiting:,}'} messages wait in the queue"
