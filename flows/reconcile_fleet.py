"""Find what our books, IoT Core and Flip do not agree on, and mend what somebody approved."""

from typing import Any

from prefect import State, flow, runtime

from fleet.provisioning.differences import Differences, Repair, markdown
from flows.approval import require_approval
from flows.ending import ended
from flows.run_names import at_its_time
from tasks.differences import digest_of, find_differences, mend, report_mending

_NAMED = 10


@flow(name="reconcile-fleet", description=__doc__, flow_run_name=at_its_time("reconcile fleet"))
def reconcile_fleet(repairs: bool = True) -> Any:
    """Things, certificates and rows that lack each other, and homes without account: shown, and mended on approval.

    The run waits for a day at most, under what it found. Approved, it mends item by item, each looked at once more.

    Args:
        repairs: Ask for approval of the repairs. Off: report only.
    """
    found = find_differences(str(runtime.flow_run.id))
    mendable = tuple(one for one in found if one.repair is not Repair.NONE)
    sentence = f"{len(found)} differences, {len(mendable)} of them can be mended"
    if not mendable or not repairs:
        return ended(sentence, [], len(found))
    require_approval(f"**{sentence}.**\n\n{markdown(mendable)}", digest_of(mendable))
    return _mend_all(mendable)


def _mend_all(mendable: Differences) -> Any:
    states = [(one, mend(one, return_state=True)) for one in mendable]
    report_mending([{**one.row(), "outcome": _outcome(state)} for one, state in states])
    failed = [f"{one.subject}: {state.message}" for one, state in states if not state.is_completed()]
    problems = ["; ".join(failed[:_NAMED])] if failed else []
    return ended(f"{len(states) - len(failed)} of {len(states)} mended", problems, len(states))


def _outcome(state: State[str]) -> str:
    return state.result() if state.is_completed() else str(state.message)
