"""The whole estimate: load, bill, limits, the comparison with single samples through the broker, and advice."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from fleet.capacity.bill import Databases, Line, bill, databases, workers
from fleet.capacity.limits import Limit, limits
from fleet.capacity.prices import PriceTable
from fleet.capacity.workload import Load, Workload, load_of, samples_in_a_block


@dataclass(frozen=True)
class Estimate:
    """Everything about one workload in one region. `naive` is the same fleet with a sample a message and the broker."""

    workload: Workload
    region: str
    load: Load
    workers: int
    databases: Databases
    lines: list[Line]
    limits: list[Limit]
    naive: list[Line]
    advice: str

    @property
    def usd_month(self) -> float:
        return sum(line.usd for line in self.lines)

    @property
    def naive_usd_month(self) -> float:
        return sum(line.usd for line in self.naive)

    @property
    def first_limit(self) -> Limit:
        return self.limits[0]

    def as_json(self) -> dict[str, Any]:
        """Plain values: US dollars a month, devices, seconds."""
        devices = self.workload.devices
        return {
            **asdict(self.workload),
            "region": self.region,
            **asdict(self.load),
            "workers": self.workers,
            "databases": self.databases.count,
            "usd_month": round(self.usd_month, 2),
            "usd_device_month": round(self.usd_month / devices, 6),
            "lines": [asdict(line) for line in self.lines],
            "first_limit": asdict(self.first_limit),
            "limits": [{**asdict(limit), "is_met": limit.is_met} for limit in self.limits],
            "single_samples_through_the_broker": {
                "usd_month": round(self.naive_usd_month, 2),
                "usd_device_month": round(self.naive_usd_month / devices, 6),
            },
            "advice": self.advice,
        }


def estimate(workload: Workload, region: str, table: PriceTable) -> Estimate:
    """Price `workload` and find its limits. Raises `InvalidInput` for a region that the table does not have."""
    load = load_of(workload, table)
    single = replace(workload, publish_s=workload.sample_s, basic_ingest=False)
    lines = bill(workload, region, table)
    return Estimate(
        workload=workload,
        region=region,
        load=load,
        workers=workers(load, table),
        databases=databases(workload, table),
        lines=lines,
        limits=limits(workload, table),
        naive=bill(single, region, table),
        advice=_advice(workload, region, table, sum(line.usd for line in lines)),
    )


def _advice(workload: Workload, region: str, table: PriceTable, usd: float) -> str:
    """Where a message is a little larger than what IoT Core meters as one: how often to publish instead."""
    samples, fit = load_of(workload, table).samples_per_message, samples_in_a_block(table)
    if fit == 0 or samples <= fit or samples % fit == 0:
        return ""
    better = replace(workload, publish_s=samples // fit * fit * workload.sample_s)
    saved = usd - sum(line.usd for line in bill(better, region, table))
    if saved <= 0:
        return ""
    kib = table.quota("iot_metering_bytes") / 1024
    return (
        f"{fit} samples fit into the {kib:g} KiB that IoT Core meters as one message: publishing each "
        f"{better.publish_s:g} s instead of each {workload.publish_s:g} s would save ${saved:,.2f} a month."
    )
