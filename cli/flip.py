"""`fleet flip`: make the embedded stand-in for Flip send events, take them back, list them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.spans import moment, span
from cli.tables import print_table
from fleet.errors import NotConfigured
from fleet.settings import get_settings

if TYPE_CHECKING:
    from local_cloud.flip.steering import Steering

flip_app = typer.Typer(no_args_is_help=True, help="Events of the embedded stand-in for Flip.")


@flip_app.command("event")
def make_event(
    start: Annotated[str, typer.Option(help="+2m, now, or a time with its offset.")] = "+2m",
    duration: Annotated[str, typer.Option(help="30s, 10m, 1h30m.")] = "10m",
    mode: Annotated[str, typer.Option(help="CHARGE, DISCHARGE, BACKUP, SAVINGS, ...")] = "DISCHARGE",
    setpoint_w: Annotated[int | None, typer.Option(min=1, help="W, for CHARGE and DISCHARGE.")] = None,
    power_mode: Annotated[str, typer.Option(help="SETPOINT or FOLLOW_LOAD; follows from --setpoint-w.")] = "",
    reserve: Annotated[int | None, typer.Option(min=0, max=100, help="Percent that the batteries keep.")] = None,
    device: Annotated[list[str] | None, typer.Option(help="A battery, may be repeated. Without: all.")] = None,
) -> None:
    """Make an event: one a home, with a command to each of its batteries."""
    now = datetime.now(UTC)
    starts_at, lasts = moment(start, now), span(duration)
    wanted_mode = mode.upper()
    powered = power_mode.upper() or _power_mode(wanted_mode, setpoint_w)
    with steering() as flip:
        made = flip.create_event(
            starts_at=starts_at, duration_s=lasts.total_seconds(), mode=wanted_mode, power_mode=powered,
            setpoint_w=setpoint_w, backup_reserve_percentage=reserve, device_ids=device or None,
        )  # fmt: skip
    events, commands = len(made["event_ids"]), len(made["command_ids"])
    print(f"{_count(events, 'event')} with {_count(commands, 'command')}, from {starts_at.isoformat()} for {lasts}.")
    print("\n".join(made["event_ids"]))


@flip_app.command("cancel")
def cancel_events(event_ids: Annotated[list[str], typer.Argument(metavar="EVENT_ID...")]) -> None:
    """Take events back."""
    with steering() as flip:
        for event_id in event_ids:
            flip.cancel_event(event_id)
            print(f"{event_id} is canceled.")


@flip_app.command("events")
def list_events() -> None:
    """The stand-in's events, oldest first, and who takes part."""
    with steering() as flip:
        rows = [
            {
                "event": event["id"],
                "home": event["site_id"],
                "status": event["status"],
                "takes_part": "yes" if event["is_participating"] else "no",
                "starts_at": event["starts_at"],
                "ends_at": event["ends_at"],
                "mode": ", ".join(part["mode"] for part in event["schedule"]),
                "devices": _shortened([name for part in event["schedule"] for name in part["device_ids"]]),
            }
            for event in flip.received("events")
        ]
    print_table(rows, empty="There is no event yet: fleet flip event makes one.")


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


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
