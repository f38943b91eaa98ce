"""The commands of `fleet` about what came and what there is: devices, the quarantine, webhooks, dispatches.

Imports are inside, as in `app`: `fleet --help` loads none of them.
"""

import json
from functools import partial
from typing import Annotated

import typer

from fleet.errors import FleetError
from fleet.items import attempt
from fleet.settings import get_settings

quarantine_app = typer.Typer(no_args_is_help=True, help="Queue messages that could not be stored.")
dispatches_app = typer.Typer(no_args_is_help=True, help="What was asked of the batteries, and what they delivered.")
devices_app = typer.Typer(no_args_is_help=True, help="The provisioning ledger.")
webhooks_app = typer.Typer(no_args_is_help=True, help="What Flip posted, and what was posted in its name.")


@devices_app.command("list")
def list_devices(limit: Annotated[int, typer.Option(min=1)] = 1000) -> None:
    """The fleet: step reached, last seen (UTC), state of charge, and why a device failed."""
    from cli.tables import print_table
    from fleet.adapters.postgres import connect
    from fleet.adapters.postgres.devices import DeviceLedger

    with connect(get_settings()) as connection:
        print_table(DeviceLedger(connection).fleet(limit), empty="No device is provisioned yet.")


@devices_app.command("decommission")
def decommission_devices(names: list[str]) -> None:
    """Delete the certificates, keys and things of these devices for good; their telemetry stays."""
    from tasks.leaving import decommission_now

    failed: FleetError | None = None
    for name in names:
        done = attempt(name, partial(decommission_now, name))
        print(f"{name}: {done}")
        failed = failed or (done if isinstance(done, FleetError) else None)
    if failed is not None:
        raise typer.Exit(failed.exit_code)


@dispatches_app.command("list")
def list_dispatches(limit: Annotated[int, typer.Option(min=1, max=500)] = 20) -> None:
    """The latest dispatches, in Wh: asked at first, asked up to now, delivered of that, and whose readings are late."""
    from cli.dispatches import list_latest

    list_latest(limit)


@dispatches_app.command("show")
def show_dispatch(
    starts_at: Annotated[str, typer.Argument(help="A time with its offset, as the list has it.")],
) -> None:
    """The batteries of what starts then, one a line: the same figures, and up to when its readings are known."""
    from cli.dispatches import show

    show(starts_at)


@quarantine_app.command("list")
def list_quarantine() -> None:
    """What waits in the quarantine, by reason."""
    from cli.tables import print_table
    from fleet.adapters.postgres import connect
    from fleet.adapters.postgres.quarantine import waiting

    with connect(get_settings()) as connection:
        print_table(waiting(connection), empty="The quarantine is empty.")


@quarantine_app.command("replay")
def replay_quarantine(
    source: Annotated[str, typer.Option(help="quarantine, dead-letters or rule-errors.")] = "quarantine",
    thing: Annotated[str, typer.Option(help="Of this device alone.")] = "",
    reason: Annotated[str, typer.Option(help="What waits for this reason alone.")] = "",
    since: Annotated[str, typer.Option(metavar="ISO", help="What was received from here on.")] = "",
    until: Annotated[str, typer.Option(metavar="ISO", help="What was received before this.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without this it is shown and nothing changes.")] = False,
) -> None:
    """Show what waits and what would become of it; with --yes store what can be stored now."""
    from cli.quarantine import replay

    replay(source, thing, reason, since, until, yes)


@webhooks_app.command("list")
def list_webhooks(limit: Annotated[int, typer.Option(min=1)] = 50) -> None:
    """The last webhooks that Flip signed, newest first, and what became of each."""
    from cli.tables import print_table
    from fleet.adapters.postgres import connect
    from fleet.adapters.postgres.webhooks import Webhooks

    with connect(get_settings()) as connection:
        print_table(Webhooks(connection).recent(limit), empty="No webhook has come yet.")


@webhooks_app.command("settings")
def list_settings_requests(limit: Annotated[int, typer.Option(min=1)] = 50) -> None:
    """The settings that Flip asked for, newest first, as it sent them: its pages print no fields."""
    from cli.tables import print_table
    from fleet.adapters.postgres import connect
    from fleet.adapters.postgres.webhooks import Webhooks
    from fleet.flip import SETTINGS_APPLY

    with connect(get_settings()) as connection:
        rows = Webhooks(connection).of_type(SETTINGS_APPLY, limit)
    print_table(
        [{**row, "event_object": json.dumps(row["event_object"])} for row in rows], empty="Flip asked for none."
    )


@webhooks_app.command("refused")
def list_refused_webhooks(limit: Annotated[int, typer.Option(min=1)] = 50) -> None:
    """The last that were refused (forged, stale, without headers), newest first, and why."""
    from cli.tables import print_table
    from fleet.adapters.postgres import connect
    from fleet.adapters.postgres.webhooks import Webhooks

    with connect(get_settings()) as connection:
        print_table(Webhooks(connection).refused(limit), empty="No webhook was refused.")
