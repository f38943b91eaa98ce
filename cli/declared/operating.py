"""What an operator looks at day by day: status, commands, events, dispatches, the quarantine, webhooks, costs."""

from typing import Annotated, Literal

import typer

from cli.output import Output
from cli.style import AsJson, OfDevice, command, group

operating_app = group()
quarantine_app = group("Queue messages that could not be stored.")
webhooks_app = group("What Flip posted, and what was posted in its name.")
dispatches_app = group("What was asked of the batteries, and what they delivered.")
flip_app = group("Events of the embedded stand-in for Flip.")

_Limit = Annotated[int, typer.Option(min=1, help="So many at most.")]
_Open = Annotated[bool, typer.Option("--open", help="Only what is not over.")]
_Reason = Annotated[str, typer.Option(help="What waits for this reason alone.")]


@command(operating_app, "status", "fleet status", "fleet status --json")
def status(as_json: AsJson = False) -> None:
    """The fleet at a glance, and what is wrong with it now; exit code 1 if anything is."""
    from cli.status import show

    raise typer.Exit(show(Output(as_json)))


@command(
    operating_app,
    "commands",
    "fleet commands --open",
    "fleet commands --device battery-0001",
    "fleet commands COMMAND_ID",
)
def commands(
    command_id: Annotated[str, typer.Argument(metavar="COMMAND_ID", help="Each step of this one instead.")] = "",
    device: OfDevice = "",
    is_open: _Open = False,
    limit: _Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Flip's commands to the batteries, the latest start first, and what became of them."""
    from cli import looking

    out = Output(as_json)
    if command_id:
        looking.command_steps(out, command_id)
    else:
        looking.commands(out, device, is_open, limit)


@command(operating_app, "events", "fleet events --open")
def events(is_open: _Open = False, limit: _Limit = 50, as_json: AsJson = False) -> None:
    """Utilities' events as Flip told of them, one a home, the latest start first."""
    from cli import looking

    looking.events(Output(as_json), is_open, limit)


@command(
    operating_app,
    "capacity",
    "fleet capacity --devices 1e6",
    "fleet capacity --devices 100k --keep 2d --region eu-west-1",
)
def capacity(
    devices: Annotated[str, typer.Option(help="How many: 1000, 10k, 1M, 1e6.")] = "1000",
    sample: Annotated[str, typer.Option(help="A sample each: 5s, 1m.")] = "5s",
    publish: Annotated[str, typer.Option(help="A message each: 60s, 5m.")] = "60s",
    keep: Annotated[str, typer.Option(help="Raw samples stay so long in the database: 2h, 2d, 30d.")] = "7d",
    live: Annotated[str, typer.Option(help="A message each, in an event or while somebody looks: 5s.")] = "5s",
    live_hours: Annotated[float, typer.Option(help="Hours a month of that, for each device.")] = 10.0,
    region: Annotated[str, typer.Option(help="AWS region of the prices.")] = "us-east-1",
    as_json: AsJson = False,
) -> None:
    """What a fleet costs a month and which limit it meets first."""
    from cli.capacity import show

    show(devices, sample, publish, keep, live, live_hours, region, Output(as_json))


@command(quarantine_app, "list", "fleet quarantine list", "fleet quarantine list --each --device battery-0001")
def list_quarantine(
    each: Annotated[bool, typer.Option("--each", help="Message by message, the newest first.")] = False,
    device: OfDevice = "",
    reason: _Reason = "",
    limit: _Limit = 50,
    as_json: AsJson = False,
) -> None:
    """What waits in the quarantine, by reason; with --each or a filter message by message."""
    from cli import looking

    out = Output(as_json)
    if each or device or reason:
        looking.quarantined(out, device, reason, limit)
    else:
        looking.quarantine(out)


@command(quarantine_app, "show", "fleet quarantine show 17")
def show_quarantined(
    quarantine_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="As fleet quarantine list --each has it.")],
    as_json: AsJson = False,
) -> None:
    """One message whole: when it came, why it was set aside, its body."""
    from cli import looking

    looking.quarantined_message(Output(as_json), quarantine_id)


@command(
    quarantine_app,
    "replay",
    "fleet quarantine replay",
    "fleet quarantine replay --source dead-letters --since 2026-11-01T00:00:00Z --yes",
)
def replay_quarantine(
    source: Annotated[
        Literal["quarantine", "dead-letters", "rule-errors"],
        typer.Option(help="The table, what was taken ten times, what the topic rule could not hand over."),
    ] = "quarantine",
    thing: Annotated[str, typer.Option("--device", "--thing", metavar="NAME", help="Of this device alone.")] = "",
    reason: _Reason = "",
    since: Annotated[str, typer.Option(metavar="ISO", help="What was received from here on.")] = "",
    until: Annotated[str, typer.Option(metavar="ISO", help="What was received before this.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it. Without it is shown and nothing changes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what waits and what would become of it; with --yes store what can be stored now."""
    from cli.quarantine import replay

    replay(source, thing, reason, since, until, yes, Output(as_json))


@command(webhooks_app, "list", "fleet webhooks list --limit 10")
def list_webhooks(limit: _Limit = 50, as_json: AsJson = False) -> None:
    """The last webhooks that Flip signed, newest first, and what became of each."""
    from cli import looking

    looking.webhooks(Output(as_json), limit)


@command(webhooks_app, "settings", "fleet webhooks settings")
def list_settings_requests(limit: _Limit = 50, as_json: AsJson = False) -> None:
    """The settings that Flip asked for, newest first, as it sent them: its pages print no fields."""
    from cli import looking

    looking.settings_requests(Output(as_json), limit)


@command(webhooks_app, "refused", "fleet webhooks refused")
def list_refused_webhooks(limit: _Limit = 50, as_json: AsJson = False) -> None:
    """The last that were refused (forged, stale, without headers), newest first, and why."""
    from cli import looking

    looking.refused_webhooks(Output(as_json), limit)


@command(dispatches_app, "list", "fleet dispatches list --limit 5")
def list_dispatches(
    limit: Annotated[int, typer.Option(min=1, max=500, help="So many at most.")] = 20, as_json: AsJson = False
) -> None:
    """The latest dispatches, in Wh: asked at first, asked up to now, delivered of that, and whose readings are late."""
    from cli.dispatches import list_latest

    list_latest(limit, Output(as_json))


@command(dispatches_app, "show", "fleet dispatches show 2026-11-24T17:00:00Z")
def show_dispatch(
    starts_at: Annotated[str, typer.Argument(help="A time with its offset, as the list has it.")],
    as_json: AsJson = False,
) -> None:
    """The batteries of what starts then, one a line: the same figures, and up to when its readings are known."""
    from cli.dispatches import show

    show(starts_at, Output(as_json))


@command(
    flip_app,
    "event",
    "fleet flip event --start +2m --duration 10m --mode DISCHARGE --setpoint-w 2000",
    "fleet flip event --start 2026-11-24T17:00:00-08:00 --duration 1h --mode CHARGE --device battery-0001",
)
def make_event(
    start: Annotated[str, typer.Option(help="+2m, now, or a time with its offset.")] = "+2m",
    duration: Annotated[str, typer.Option(help="30s, 10m, 1h30m.")] = "10m",
    mode: Annotated[str, typer.Option(help="CHARGE, DISCHARGE, BACKUP, SAVINGS, ...")] = "DISCHARGE",
    setpoint_w: Annotated[int | None, typer.Option(min=1, help="W, for CHARGE and DISCHARGE.")] = None,
    power_mode: Annotated[str, typer.Option(help="SETPOINT or FOLLOW_LOAD; follows from --setpoint-w.")] = "",
    reserve: Annotated[int | None, typer.Option(min=0, max=100, help="Percent that the batteries keep.")] = None,
    device: Annotated[list[str] | None, typer.Option(help="A battery, may be repeated. Without: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make an event: one a home, with a command to each of its batteries."""
    from cli import flip

    flip.make_event(Output(as_json), start, duration, mode, setpoint_w, power_mode, reserve, device or [])


@command(flip_app, "cancel", "fleet flip cancel EVENT_ID")
def cancel_events(
    event_ids: Annotated[list[str], typer.Argument(metavar="EVENT_ID...", help="As fleet flip events has them.")],
    as_json: AsJson = False,
) -> None:
    """Take events back."""
    from cli import flip

    flip.cancel_events(Output(as_json), event_ids)


@command(flip_app, "events", "fleet flip events")
def list_events(as_json: AsJson = False) -> None:
    """The stand-in's events, oldest first, and who takes part."""
    from cli import flip

    flip.list_events(Output(as_json))
