"""Give batteries new certificates before the ones that they have end."""

from typing import Annotated, Any

from prefect import flow
from prefect.futures import PrefectFuture
from pydantic import Field

from fleet.capacity.connections import at_once
from fleet.errors import InvalidInput
from fleet.services.rotating import Rotated
from fleet.settings import get_settings
from flows.ending import counted, ended, waiting
from flows.parameters import ThingName
from flows.run_names import Parameters, of_its_parameters
from flows.runners import threads
from tasks.rotation import choose_expiring, report_rotation, rotate_batch, show_calendar
from tasks.run_names import devices

_BATCH, _AT_ONCE, _NAMED = 25, 4, 10


def run_name(given: Parameters) -> str:
    """What a run with these parameters is called."""
    if names := given.get("names"):
        return f"rotate {devices(names)}"
    days = given.get("expires_within_days")
    return "calendar of certificates" if days is None else f"rotate what ends within {days} days"


@flow(flow_run_name=of_its_parameters(run_name))
def rotate_certificates(
    names: Annotated[list[ThingName], Field(max_length=1_000)] | None = None,
    expires_within_days: Annotated[int, Field(ge=0, le=36_500)] | None = None,
    at_most: Annotated[int, Field(ge=1, le=1_000)] = 100,
    wait_s: Annotated[int, Field(ge=0, le=3_600)] = 300,
) -> Any:
    """Give names or expires_within_days; with neither, only the calendar of what ends when is made anew.

    Each battery makes a new key, asks for a certificate over the connection that it has, and connects with it; then the
    former one ends. Run again, it goes on from where each battery is: what waits for a battery that is not connected
    goes on once it is, and does it no harm.

    Args:
        names: Thing names, up to 1,000.
        expires_within_days: Those whose certificates end within so many days, 0 to 36,500, and those that were begun.
        at_most: So many of these in this run, 1 to 1,000, who ends first.
        wait_s: Seconds to wait for the batteries, 0 to 3,600.
    """
    if names and expires_within_days is not None:
        raise InvalidInput("Give names or expires_within_days, not both.")
    shown = show_calendar()
    if not names and expires_within_days is None:
        return ended(f"Nothing was to be rotated; the calendar has {shown} certificates", [])
    chosen = names or choose_expiring(expires_within_days or 0, at_most)
    summary, first = _rotate_all(list(dict.fromkeys(chosen)), wait_s)
    if summary["waiting"] and not summary["failed"]:
        return waiting(counted(summary), f"run it again once these are connected. {first}")
    return ended(counted(summary), [f"{first} Run it again to go on."] if summary["failed"] else [], summary)


def _rotate_all(names: list[str], wait_s: float) -> tuple[dict[str, int], str]:
    settings = get_settings()
    batches = [names[start : start + _BATCH] for start in range(0, len(names), _BATCH)]
    # Each batch holds a connection that works and one that listens.
    workers = max(1, at_once(2 * _AT_ONCE, settings.database_connections, settings.ingestion_workers) // 2)
    share_s = wait_s / max(1, -(-len(batches) // workers))
    with threads(workers) as runner:
        futures: list[PrefectFuture[list[Rotated]]] = [
            runner.submit(rotate_batch, {"names": batch, "seconds": share_s}) for batch in batches
        ]
        results = [future.result(raise_on_failure=False) for future in futures]
    outcomes = [outcome for result, batch in zip(results, batches, strict=True) for outcome in _outcomes(result, batch)]
    unfinished = [f"{one.thing_name}: {one.failure or one.reached}".rstrip(".") for one in outcomes if not one.is_done]
    return report_rotation(outcomes), f"{'; '.join(unfinished[:_NAMED])}."[:1_500]


def _outcomes(result: list[Rotated] | BaseException, batch: list[str]) -> list[Rotated]:
    """A batch that ended badly as a whole failed for each of its devices: no failure is lost."""
    if isinstance(result, BaseException):
        return [Rotated(name, "failed", failure=str(result)) for name in batch]
    return result
