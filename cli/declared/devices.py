"""Batteries: made, looked at, shut out, given new certificates, moved on, taken out of service."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.output import Output
from cli.style import AsJson, Device, Devices, OfDevice, Wait, Yes, command, group

making_app = group()
devices_app = group("The batteries: the ledger, and what is done to them by name.")


@command(
    making_app,
    "provision",
    "fleet provision garage-a garage-b",
    "fleet provision --count 200 --prefix battery",
    "fleet provision --csr-folder requests/ --model home-13",
)
def provision(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Thing names.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="So many, named PREFIX-0001 and on.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Of those names.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="CSV with thing_name, and model at will.")] = None,
    csr_folder: Annotated[Path | None, typer.Option(help="Folder of NAME.csr files, made on the devices.")] = None,
    model: Annotated[str | None, typer.Option(help="Model of the batteries, kept as the thing's attribute.")] = None,
    rate: Annotated[float | None, typer.Option(min=0, help="So many a second at most; 0: no limit.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, max=32, help="Batches at once.")] = None,
    runner: Annotated[Literal["threads", "dask"] | None, typer.Option(help="Where batches run.")] = None,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Make things, certificates and the folders to flash; a device that is provisioned is left alone."""
    from cli import device_operations

    device_operations.provision(
        names or [], count, csv_file, csr_folder, prefix=prefix, model=model, devices_per_second=rate,
        concurrency=concurrency, runner=runner,
    ).begin(wait, as_json)  # fmt: skip


@command(
    making_app,
    "registration-url",
    "fleet registration-url battery-0001",
    "fleet registration-url battery-0001 --qr code.svg",
)
def registration_url(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its thing name, or its artifact folder.")],
    base_url: Annotated[str, typer.Option(help="Address of the web app; none: FLEET_BASE_URL.")] = "",
    qr: Annotated[str, typer.Option(metavar="FILE", help="A .png or .svg, or `terminal`: draw it too.")] = "",
    as_json: AsJson = False,
) -> None:
    """The link that makes a battery its owner's, for 15 minutes; signed with the key in its folder here."""
    from cli import registration

    registration.show(Output(as_json), name, base_url, qr)


@command(
    making_app,
    "history",
    "fleet history --device battery-0001 --from 2026-11-01T00:00:00Z --to 2026-11-02T00:00:00Z",
    "fleet history --device battery-0001 --from 2026-11-01T00:00:00Z --to 2026-11-02T00:00:00Z --csv",
)
def history(
    device: OfDevice,
    start: Annotated[str, typer.Option("--from", metavar="ISO", help="First moment: 2026-11-01T00:00:00Z.")],
    end: Annotated[str, typer.Option("--to", metavar="ISO", help="The moment after the last one.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Every sample and column as CSV.")] = False,
    as_json: AsJson = False,
) -> None:
    """A device's samples in the order of its clock, out of the database and the archive."""
    from cli import history as samples

    span = samples.moment(start, "--from"), samples.moment(end, "--to")
    samples.tell(device, *span, as_csv, as_json)


@command(devices_app, "list", "fleet devices list", "fleet devices list --limit 20 --json")
def list_devices(
    limit: Annotated[int, typer.Option(min=1, help="So many at most, by name.")] = 1000, as_json: AsJson = False
) -> None:
    """The fleet: step reached, last seen (UTC), state of charge, and why a device failed."""
    from cli import looking

    looking.devices(Output(as_json), limit)


@command(devices_app, "show", "fleet devices show battery-0001")
def show_device(name: Device, as_json: AsJson = False) -> None:
    """One battery: ledger, newest readings (W, %), registration, Flip, certificates, latest commands."""
    from cli import looking

    looking.device(Output(as_json), name)


@command(devices_app, "revoke", "fleet devices revoke battery-0001", "fleet devices revoke battery-0001 --yes")
def revoke_devices(names: Devices, yes: Yes = False, wait: Wait = True, as_json: AsJson = False) -> None:
    """Shut batteries out within seconds: a stolen key. They stay their owners'."""
    from cli import device_operations

    device_operations.revoke(names, yes).begin(wait, as_json)


@command(devices_app, "restore", "fleet devices restore battery-0001")
def restore_devices(names: Devices, wait: Wait = True, as_json: AsJson = False) -> None:
    """Let batteries in again that were revoked, with the certificates that they have."""
    from cli import device_operations

    device_operations.restore(names).begin(wait, as_json)


@command(
    devices_app,
    "rotate",
    "fleet devices rotate battery-0001 --wait-for 600",
    "fleet devices rotate --expires-within 30",
)
def rotate_devices(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Thing names, up to 1,000.")] = None,
    expires_within: Annotated[
        int | None, typer.Option(min=0, max=36_500, metavar="DAYS", help="Whose certificate ends within so many days.")
    ] = None,
    at_most: Annotated[int | None, typer.Option(min=1, max=1_000, help="Of these so many, who ends first.")] = None,
    wait_for: Annotated[
        int | None, typer.Option(min=0, max=3_600, metavar="SECONDS", help="How long to wait for the batteries.")
    ] = None,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Give batteries a new key and certificate; the old one ends once the new one is proven."""
    from cli import device_operations

    wanted = device_operations.rotate(names or [], expires_within, at_most=at_most, wait_s=wait_for)
    wanted.begin(wait, as_json)


@command(devices_app, "transfer", "fleet devices transfer battery-0001 --to next@example.org")
def transfer_device(
    name: Device,
    to_email: Annotated[str, typer.Option("--to", metavar="EMAIL", help="The next owner; none: its next link.")] = "",
    yes: Yes = False,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Take a battery from its owner, at Flip too, for another account or for nobody yet."""
    from cli import device_operations

    device_operations.transfer(name, to_email, yes).begin(wait, as_json)


def _decommission(names: Devices, yes: Yes = False, wait: Wait = True, as_json: AsJson = False) -> None:
    """Delete certificates, keys and things of batteries for good; their telemetry stays."""
    from cli import device_operations

    device_operations.decommission(names, yes).begin(wait, as_json)


command(
    devices_app,
    "decommission",
    "fleet devices decommission battery-0001",
    "fleet devices decommission battery-0001 --yes",
)(_decommission)
command(devices_app, "retire", "fleet devices retire battery-0001", hidden=True)(_decommission)
