"""`fleet flip`: make the embedded stand-in for Flip send events, take them back, list them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cli.output import Output
from cli.spans import moment, span
from fleet.errors import NotConfigured
from fleet.settings import get_settings

if TYPE_CHECKING:
    from local_cloud.flip.steering import Steering


def make_event(
    out: Output, start: str, duration: str, mode: str, setpoint_w: int | None, power_mode: str, reserve: int | None,
    devices: Sequence[str],
) -> None:  # fmt: skip
    """Make an event, one a home. Raises `InvalidInput`, `NotFound` for a battery that the stand-in does not have."""
    now = datetime.now(UTC)
    starts_at, lasts = moment(start, now), span(duration)
    wanted_mode = mode.upper()
    powered = power_mode.upper() or _power_mode(wanted_mode, setpoint_w)
    with steering() as flip:
        made = flip.create_event(
            starts_at=starts_at, duration_s=lasts.total_seconds(), mode=wanted_mode, power_mode=powered,
            setpoint_w=setpoint_w, backup_reserve_percentage=reserve, device_ids=list(devices) or None,
        )  # fmt: skip
    events, commands = made["event_ids"], made["command_ids"]
    found = {"event_ids": events, "command_ids": commands, "starts_at": starts_at, "duration_s": lasts.total_seconds()}
    counted = f"{_count(len(events), 'event')} with {_count(len(commands), 'command')}"
    out.result(found, f"{counted}, from {starts_at.isoformat()} for {lasts}.", *events)


def cancel_events(out: Output, event_ids: Sequence[str]) -> None:
    """Take events back."""
    with steering() as flip:
        for event_id in event_ids:
            flip.cancel_event(event_id)
            out.say(f"{event_id} is canceled.")
    if out.as_json:
        out.result({"canceled": list(event_ids)})


def list_events(out: Output) -> None:
    """The stand-in's events, oldest first."""
    with steering() as flip:
        rows = [
            {
                "event": event["id"],
                "home": event["site_id"],
                "status": event["status"],
                "takes_part": bool(event["is_participating"]),
                "starts_at": event["starts_at"],
                "ends_at": event["ends_at"],
                "mode": ", ".join(part["mode"] for part in event["schedule"]),
                "devices": _named([name for part in event["schedule"] for name in part["device_ids"]], out),
            }
            for event in flip.received("events")
        ]
    out.rows(rows, empty="There is no event yet: fleet flip event makes one.")


@contextmanager
def steering() -> Iterator["Steering"]:
    """The stand-in, to be steered. Raises `NotConfigured` when what these settings name is not the embedded one."""
    # Not before: other commands run where the embedded cloud is not installed.
    from local_cloud.flip.steering import Steering
    from local_cloud.settings import get_local_settings
    from local_cloud.state import State

    settings, local = get_settings(), get_local_settings()
    ours = f"http://127.0.0.1:{local.flip_port}"
    if settings.flip_base_url.rstrip("/") != ours:
        raise NotConfigured(
            f"FLEET_FLIP_BASE_URL is {settings.flip_base_url}, not the embedded stand-in ({ours}): only that one makes "
            "events on request, the real Flip's come from utilities."
        )
    state = State(local.state_dir.resolve())
    if not state.has_secret("flip-admin"):
        raise NotConfigured("The embedded cloud was not started here yet: start it with make up or make demo.")
    flip = Steering(ours, state.secret("flip-admin"))
    try:
        yield flip
    finally:
        flip.close()


def _power_mode(mode: str, setpoint_w: float | None) -> str | None:
    if mode not in ("CHARGE", "DISCHARGE"):
        return None
    return "FOLLOW_LOAD" if setpoint_w is None else "SETPOINT"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _named(names: Sequence[str], out: Output) -> str | list[str]:
    """All of them for a program, the first for a person."""
    if out.as_json:
        return list(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
