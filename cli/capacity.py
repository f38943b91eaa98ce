"""`fleet capacity` on a terminal."""

from cli.output import Output
from fleet.capacity.estimate import Estimate, estimate
from fleet.capacity.limits import Limit
from fleet.capacity.prices import price_table
from fleet.capacity.quantities import parse_count, parse_seconds
from fleet.capacity.workload import Workload


def show(
    devices: str, sample: str, publish: str, keep: str, live: str, live_hours: float, region: str, out: Output
) -> None:
    """Print the estimate, as tables or as one object. Raises `InvalidInput`."""
    table = price_table()
    workload = Workload(
        parse_count(devices),
        parse_seconds(sample),
        parse_seconds(publish),
        parse_seconds(keep) / 86_400,
        live_s=parse_seconds(live),
        live_hours_per_month=live_hours,
    )
    found = estimate(workload, region, table)
    prices = f"Prices of {table.as_of} in US dollars, each with its source in fleet/capacity/prices.toml."
    lines = [*_load(found), "", *_bill(found), "", *_limits(found), "", prices]
    out.result({"as_of": str(table.as_of), **found.as_json()}, *lines)


def _load(found: Estimate) -> list[str]:
    workload, load = found.workload, found.load
    return [
        f"{workload.devices:,} devices in {found.region}, a sample each {workload.sample_s:g} s, a message each "
        f"{workload.publish_s:g} s on Basic Ingest: {load.samples_per_message} samples a message, "
        f"{load.message_bytes:,.0f} bytes.",
        f"{load.messages_per_s:,.0f} messages and {load.samples_per_s:,.0f} samples a second; ingestion workers: "
        f"{found.workers}; databases: {found.databases.count} ({found.databases.size.name}) of "
        f"{found.databases.gb_each:,.0f} GB each for {_kept(workload.keep_days)} of raw samples.",
    ]


def _kept(days: float) -> str:
    return f"{days:g} days" if days >= 1 else f"{days * 24:g} hours"


def _bill(found: Estimate) -> list[str]:
    devices = found.workload.devices
    rows = [
        f"{line.vendor:<9} {line.item:<22} {line.quantity:>20,.0f} {line.unit:<50} ${line.usd:>14,.2f}"
        for line in found.lines
    ]
    naive, ours = found.naive_usd_month, found.usd_month
    return [
        *rows,
        f"${ours:,.2f} a month, ${ours / devices:.4f} a device.",
        f"One sample a message on a normal topic instead: ${naive:,.2f} a month, ${naive / devices:.4f} a device, "
        f"{naive / ours:.1f} times as much.",
        *([found.advice] if found.advice else []),
    ]


def _limits(found: Estimate) -> list[str]:
    first = found.first_limit
    reached = "this fleet is beyond it" if first.is_met else "this fleet is below it"
    return [
        *(_limit(limit) for limit in found.limits),
        f"The first limit: {first.name}, at {first.devices or 0:,} devices; {reached}. Then: {first.way_out}.",
    ]


def _limit(limit: Limit) -> str:
    needed = f"{limit.needed:.2g}" if limit.needed < 10 else f"{limit.needed:,.0f}"
    largest = "any number of devices" if limit.devices is None else f"up to {limit.devices:,} devices"
    mark = "OVER" if limit.is_met else "ok"
    return f"{mark:<4} {limit.name:<55} {needed:>9} of {limit.allowed:>7,.0f} {limit.unit:<49} {largest}"
