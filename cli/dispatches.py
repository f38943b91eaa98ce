"""`fleet dispatches`: what was asked of the batteries at first and in the end, what they delivered, who is late."""

from datetime import UTC, datetime
from typing import Any

from cli.output import Output
from cli.spans import moment
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.dispatches import Dispatch, Part, latest_dispatches
from fleet.commands.energies import share_pct, sum_up
from fleet.errors import NotFound
from fleet.settings import get_settings


def list_latest(limit: int, out: Output) -> None:
    """A line a dispatch."""
    with connect(get_settings()) as connection:
        found = latest_dispatches(connection, limit)
    out.rows([_summary(dispatch) for dispatch in found], empty="Flip has sent no command yet.")


def show(starts_at: str, out: Output) -> None:
    """A line a battery. Raises `InvalidInput`, `NotFound`."""
    start = moment(starts_at, datetime.now(UTC))
    with connect(get_settings()) as connection:
        found = latest_dispatches(connection, limit=500, starts_at=start)
    if not found:
        raise NotFound("No dispatch starts then: fleet dispatches list has those that there are.")
    if out.as_json:
        out.rows([{**_summary(each), "parts": [_part(part) for part in each.parts]} for each in found], empty="")
        return
    for dispatch in found:
        out.say(f"{_moment(dispatch.starts_at)} to {_moment(dispatch.ends_at)}, {dispatch.mode}")
        out.rows([_part(part) for part in dispatch.parts], empty="")


def _summary(dispatch: Dispatch) -> dict[str, Any]:
    together = sum_up(dispatch.parts)
    return {
        "starts_at": _moment(dispatch.starts_at),
        "ends_at": dispatch.ends_at and _moment(dispatch.ends_at),
        "mode": dispatch.mode,
        "batteries": len(dispatch.parts),
        "asked_first_wh": together.asked_first_wh,
        "asked_wh": together.asked_wh,
        "measured_of_it_wh": together.compared_wh,
        "delivered_wh": together.delivered_wh,
        "share_pct": together.share_pct,
        "late": len(together.late),
        "not_reported": len(together.missing),
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "battery": part.thing_name,
        "state": part.state,
        "flip_says": part.flip_status,
        "asked_first_wh": part.asked_first_energy_wh,
        "asked_wh": part.asked_energy_wh,
        "measured_of_it_wh": part.asked_while_measured_wh,
        "delivered_wh": part.measured_energy_wh,
        "share_pct": share_pct(part.asked_while_measured_wh, part.measured_energy_wh),
        "readings": part.data_standing,
        "known_until": part.known_until and _moment(part.known_until),
    }


def _moment(at: datetime | None) -> str:
    """UTC, to the second where that is exact, so that it can be typed again."""
    return "-" if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
