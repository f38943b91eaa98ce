"""Which limit a growing fleet meets first."""

import math
from dataclasses import dataclass

from fleet.capacity.bill import busy_workers, database_gb
from fleet.capacity.prices import PriceTable
from fleet.capacity.workload import Workload, load_of

_FLIP_INTERVAL_S = 300.0


@dataclass(frozen=True)
class Limit:
    """What is needed and what one account, queue or database allows, in `unit`.

    `devices`: the largest fleet, sampling and publishing the same, that stays within it; 0 if none can, None if the
    limit does not depend on how many there are. `way_out`: what one does there.
    """

    name: str
    needed: float
    allowed: float
    unit: str
    devices: int | None
    way_out: str

    @property
    def is_met(self) -> bool:
        return self.needed > self.allowed


def limits(workload: Workload, table: PriceTable) -> list[Limit]:
    """All limits, the first that a growing fleet meets before the others."""
    found = [*_of_iot_core(workload, table), *_of_the_queue(workload, table), *_of_ours(workload, table)]
    return sorted(found, key=lambda limit: math.inf if limit.devices is None else limit.devices)


def _of_iot_core(workload: Workload, table: PriceTable) -> list[Limit]:
    load, more = load_of(workload, table), "ask AWS for more, or use several accounts or regions"
    reconnecting_per_s = workload.devices / table.measure("reconnect_s")  # all at once, spread by their jitter
    return [
        _grows(workload, "IoT connections", workload.devices, table, "iot_connections", more),
        _grows(
            workload, "IoT connects a second after an outage", reconnecting_per_s, table,
            "iot_connects_per_s", f"a longer --reconnect-max at the devices, or {more}",
        ),
        _grows(workload, "IoT publishes a second", load.messages_per_s, table, "iot_publishes_per_s", more),
        _grows(
            workload, "IoT publishes a second, all of them live", load.live_messages_per_s, table,
            "iot_publishes_per_s", f"a longer --live-interval at the devices, or {more}",
        ),
        _grows(
            workload, "IoT rule evaluations a second", load.messages_per_s, table, "iot_rule_evaluations_per_s", more,
        ),
        _fixed("publishes a second of one connection", 1 / workload.publish_s, table, "iot_connection_publishes_per_s"),
        _fixed("size of an IoT message", load.message_bytes, table, "iot_message_bytes"),
    ]  # fmt: skip


def _of_the_queue(workload: Workload, table: PriceTable) -> list[Limit]:
    load = load_of(workload, table)
    flying = load.messages_per_s * table.measure("seconds_in_flight")
    return [
        _grows(workload, "SQS messages in flight", flying, table, "sqs_in_flight", "several queues, a rule for each"),
        _fixed("size of an SQS message", load.message_bytes, table, "sqs_message_bytes"),
    ]


def _of_ours(workload: Workload, table: PriceTable) -> list[Limit]:
    load, shards = load_of(workload, table), "several databases, each with its share of the devices"
    requests = workload.devices / table.quota("flip_points_a_request")
    busy_s = requests * table.measure("flip_request_s")
    return [
        _grows(workload, "ingestion workers", busy_workers(load, table), table, "ingestion_workers", "several queues"),
        _grows(
            workload, "samples a second into one database", load.samples_per_s, table, "database_samples_per_s", shards
        ),
        _grows(
            workload, "disk of one database", database_gb(workload, load, table), table, "database_gb",
            f"fewer days of raw samples (the archive keeps them), or {shards}",
        ),
        Limit(
            f"requests to Flip, one after the other, in {_FLIP_INTERVAL_S:g} s", busy_s, _FLIP_INTERVAL_S, "seconds",
            _devices(workload, busy_s, _FLIP_INTERVAL_S), "forward from several runs, each with its share",
        ),
    ]  # fmt: skip


def _grows(workload: Workload, name: str, needed: float, table: PriceTable, key: str, way_out: str) -> Limit:
    allowed, unit = _allowed(table, key)
    return Limit(name, needed, allowed, unit, _devices(workload, needed, allowed), way_out)


def _devices(workload: Workload, needed: float, allowed: float) -> int:
    return math.floor(workload.devices * allowed / needed + 1e-6)  # a quotient of decimals may fall a hair short


def _fixed(name: str, needed: float, table: PriceTable, key: str) -> Limit:
    allowed, unit = _allowed(table, key)
    return Limit(name, needed, allowed, unit, 0 if needed > allowed else None, "fewer samples a message, or more")


def _allowed(table: PriceTable, key: str) -> tuple[float, str]:
    row = table.quotas.get(key) or table.measured[key]
    return row.value, row.unit
