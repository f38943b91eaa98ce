"""Find the batteries that only we or only Flip know, repair what can be repaired, and mirror the enrollments."""

from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture

from fleet.flip.reconciliation import Differences
from flows.ending import counted, ended
from flows.run_names import at_its_time
from flows.runners import threads
from tasks.flip import compare_homes, list_homes, repair, report_differences

_BATCH = 25


@flow(flow_run_name=at_its_time("reconcile with Flip"), task_runner=threads(at_once=4))
def reconcile_flip(repairs: bool = True) -> Any:
    """Compare every home with Flip. Flip has no call that removes a battery: what only it has is reported.

    Args:
        repairs: Commission again what Flip lost, and note what it knows. Off: report only.
    """
    here, only_at_flip = list_homes()
    batches = [here[start : start + _BATCH] for start in range(0, len(here), _BATCH)]
    futures: list[PrefectFuture[Differences]] = [compare_homes.submit(batch) for batch in batches]
    results = [future.result(raise_on_failure=False) for future in futures]
    found = sum(
        (result for result in results if isinstance(result, Differences)),
        Differences(foreign_homes=tuple(only_at_flip)),
    )
    summary = report_differences(found, repair(found) if repairs else 0)
    errors = [result for result in results if isinstance(result, BaseException)]
    problem = [f"{len(errors)} of {len(batches)} batches were not compared: {errors[0]}"] if errors else []
    return ended(counted(summary), problem, summary)
