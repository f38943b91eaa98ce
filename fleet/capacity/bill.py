"""What a workload costs a month, line by line."""

import math
from dataclasses import dataclass

from fleet.capacity.prices import ComputeSize, PriceTable
from fleet.capacity.workload import MONTH_S, Load, Workload, load_of
from fleet.telemetry.archive import HOUR_DAYS_KEPT, MINUTE_DAYS_KEPT

_GB = 1e9
_SQS_BATCH = 10
_WEBHOOKS_A_COMMAND = 4  # created, updated, started, ended
_DELIVERIES = 2  # the broker's fee is due for a message that comes in and for one that goes out


@dataclass(frozen=True)
class Line:
    """An item of the bill: `quantity` in `unit` a month, for `usd` a month."""

    vendor: str
    item: str
    quantity: float
    unit: str
    usd: float


@dataclass(frozen=True)
class Databases:
    """The PostgreSQL servers that a workload needs: how many, how large, and with how much on the disk of each."""

    count: int
    size: ComputeSize
    gb_each: float


def busy_workers(load: Load, table: PriceTable) -> float:
    """How many ingestion workers of one core the load keeps as busy as the table lets them be."""
    of_messages = load.messages_per_s * table.measure("ingest_us_per_message")
    of_samples = load.samples_per_s * table.measure("ingest_us_per_sample")
    return (of_messages + of_samples) / 1e6 / table.measure("worker_busy_share")


def workers(load: Load, table: PriceTable) -> int:
    """Ingestion workers of one core each, none busier than the table's share."""
    return max(1, math.ceil(busy_workers(load, table)))


def database_gb(workload: Workload, load: Load, table: PriceTable) -> float:
    """Gigabytes of raw samples, and of the minutes and hours made of them, each for the days that it is kept."""
    raw = load.samples_per_s * 86_400 * table.measure("database_bytes_per_sample") * workload.keep_days
    minutes = 1_440 * table.measure("database_bytes_a_minute") * MINUTE_DAYS_KEPT
    hours = 24 * table.measure("database_bytes_an_hour") * HOUR_DAYS_KEPT
    return (raw + workload.devices * (minutes + hours)) / _GB


def databases(workload: Workload, table: PriceTable) -> Databases:
    """As many as disk and samples a second ask for, each of the smallest size that Supabase recommends."""
    load = load_of(workload, table)
    gb, largest = database_gb(workload, load, table), table.supabase[-1]
    by_disk = math.ceil(gb / largest.database_gb)
    by_rows = math.ceil(load.samples_per_s / table.measure("database_samples_per_s"))
    count = max(1, by_disk, by_rows)
    size = next((size for size in table.supabase if size.database_gb >= gb / count), largest)
    return Databases(count, size, gb / count)


def bill(workload: Workload, region: str, table: PriceTable) -> list[Line]:
    """The lines of a month. Raises `InvalidInput` for a region that the table does not have."""
    factor, load = table.factor(region), load_of(workload, table)
    quantities = {**_messages(workload, load, table), **_around(workload, load, table)}
    aws = [
        Line("AWS", name, quantity, table.prices[name].unit, table.prices[name].usd(quantity) * factor)
        for name, quantity in quantities.items()
    ]
    return aws + _supabase(databases(workload, table), table)


def _messages(workload: Workload, load: Load, table: PriceTable) -> dict[str, float]:
    metered = load.messages_per_month * math.ceil(load.message_bytes / table.quota("iot_metering_bytes"))
    commands = workload.devices * workload.commands_per_month
    chunk = table.quota("sqs_metering_bytes")
    received = load.messages_per_month / _SQS_BATCH
    sent = load.messages_per_month * math.ceil(load.message_bytes / chunk)
    requests = sent + received * math.ceil(load.message_bytes * _SQS_BATCH / chunk) + received
    return {
        "iot_connection": workload.devices * MONTH_S / 60,
        "iot_message": commands * _DELIVERIES + (0 if workload.basic_ingest else metered),
        "iot_rule": metered,
        "iot_action": metered,
        "sqs_request": requests,
    }


def _around(workload: Workload, load: Load, table: PriceTable) -> dict[str, float]:
    """Webhooks, the archive of a year, the workers, and what they send to the database."""
    tasks = workers(load, table) + 1  # one worker for everything that is not ingestion
    return {
        "api_gateway_request": workload.devices * workload.commands_per_month * _WEBHOOKS_A_COMMAND,
        "s3_storage": load.samples_per_month * 12 * table.measure("archive_bytes_per_sample") / _GB,
        "fargate_vcpu": tasks * MONTH_S / 3600,
        "fargate_memory": tasks * MONTH_S / 3600 * table.measure("worker_memory_gb"),
        "transfer": load.samples_per_month * table.measure("wire_bytes_per_sample") / _GB,
    }


def _supabase(needed: Databases, table: PriceTable) -> list[Line]:
    paid_gb = max(0.0, needed.gb_each - table.measure("supabase_disk_included_gb")) * needed.count
    plan, disk = table.prices["supabase_plan"], table.prices["supabase_disk"]
    compute = needed.count * needed.size.usd_month - table.measure("supabase_compute_credit")
    return [
        Line("Supabase", "supabase_plan", 1, plan.unit, plan.usd(1)),
        Line("Supabase", f"supabase_compute_{needed.size.name}", needed.count, "servers", max(0.0, compute)),
        Line("Supabase", "supabase_disk", paid_gb, disk.unit, disk.usd(paid_gb)),
    ]
