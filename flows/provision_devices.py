"""Provision batteries in batches: things, certificates from CSRs, and the folders to flash."""

from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.futures import PrefectFuture
from pydantic import Field

from fleet.capacity.connections import at_once
from fleet.errors import InvalidInput
from fleet.provisioning.orders import (
    MOST_DEVICES,
    Order,
    numbered,
    orders_from_count,
    orders_from_csv,
    orders_from_names,
    orders_from_requests,
)
from fleet.settings import get_settings
from flows.ending import counted, ended
from flows.parameters import Model, ThingName
from flows.run_names import Parameters, of_its_parameters
from flows.runners import Runner, runner_of
from tasks.provisioning import Outcome, plan_devices, provision_batch, report_provisioning, set_rate
from tasks.run_names import devices, short, span

PREFIX = "battery"
_LARGEST_BATCH = 25


def run_name(given: Parameters) -> str:
    """What a run with these parameters is called."""
    if names := given.get("names"):
        return f"provision {devices(names)}"
    if file := given.get("csv_file") or given.get("csr_folder"):
        return f"provision {short(Path(str(file)).name)}"
    count, prefix = int(given.get("count") or 0), given.get("prefix", PREFIX)
    return f"provision {span(numbered(prefix, 1), numbered(prefix, count), count) if count else 'nothing'}"


@flow(flow_run_name=of_its_parameters(run_name))
def provision_devices(
    count: Annotated[int, Field(ge=0, le=MOST_DEVICES)] = 0,
    prefix: Annotated[ThingName, Field(max_length=100)] = PREFIX,
    names: Annotated[list[ThingName], Field(max_length=MOST_DEVICES)] | None = None,
    csv_file: Path | None = None,
    csr_folder: Path | None = None,
    model: Model = "home-13",
    concurrency: Annotated[int, Field(ge=1, le=32)] = 8,
    devices_per_second: Annotated[float, Field(ge=0, le=1_000)] | None = None,
    runner: Runner = "threads",
) -> Any:
    """Give exactly one of count, names, csv_file and csr_folder. A device that is provisioned already is left alone.

    Args:
        count: How many devices, named PREFIX-0001 and on; 0 where names, csv_file or csr_folder is given.
        prefix: Prefix of those names.
        names: Thing names: letters, digits, hyphens, underscores.
        csv_file: CSV with a header: thing_name, and model where it differs.
        csr_folder: Folder of NAME.csr files; the keys never leave the devices.
        model: The battery's model, kept as the thing's attribute.
        concurrency: Batches that are worked on at once, 1 to 32; fewer where FLEET_DATABASE_CONNECTIONS leaves no room.
        devices_per_second: At most so many devices a second; 0 for no limit; empty for FLEET_PROVISIONING_RATE_PER_S.
        runner: Where batches run: threads of this process, or dask for very large orders (docs/workers.md).
    """
    orders, settings = _orders(count, prefix, names, csv_file, csr_folder, model), get_settings()
    rate = settings.provisioning_rate_per_s if devices_per_second is None else devices_per_second
    if rate > 0:
        set_rate(rate)
    batches = at_once(concurrency, settings.database_connections, settings.ingestion_workers)
    outcomes = _provision_all(plan_devices(orders), batches, runner, rate > 0)
    summary = report_provisioning(len(orders), outcomes)
    problem = f"{summary['failed']} were not provisioned: the table artifact says which and why; run it again to go on."
    return ended(counted(summary), [problem] if summary["failed"] else [], summary)


def _orders(
    count: int, prefix: str, names: list[str] | None, csv_file: Path | None, csr_folder: Path | None, model: str
) -> list[Order]:
    if [bool(count), bool(names), bool(csv_file), bool(csr_folder)].count(True) != 1:
        raise InvalidInput("Give exactly one of count, names, csv_file and csr_folder.")
    if csv_file:
        return orders_from_csv(csv_file, model)
    if csr_folder:
        return orders_from_requests(csr_folder, model)
    if names:
        return orders_from_names(names, model)
    return orders_from_count(count, prefix, model)


def _provision_all(orders: list[Order], concurrency: int, kind: Runner, rate_limited: bool) -> list[Outcome]:
    size = min(_LARGEST_BATCH, max(1, -(-len(orders) // (concurrency * 2))))
    batches = [orders[start : start + size] for start in range(0, len(orders), size)]
    with runner_of(kind, concurrency, get_settings().dask_scheduler) as runner:
        futures: list[PrefectFuture[list[Outcome]]] = [
            runner.submit(provision_batch, {"orders": batch, "rate_limited": rate_limited}) for batch in batches
        ]
        return [outcome for future, batch in zip(futures, batches, strict=True) for outcome in _outcomes(future, batch)]


def _outcomes(future: PrefectFuture[list[Outcome]], batch: list[Order]) -> list[Outcome]:
    """A batch that ended badly as a whole failed for each of its devices: no failure is lost."""
    try:
        result: list[Outcome] | BaseException = future.result(raise_on_failure=False)
    except Exception as error:  # a process of Dask that died: its task run has no state to hand over
        result = error
    if isinstance(result, BaseException):
        return [Outcome(order.thing_name.value, str(result)) for order in batch]
    return result
