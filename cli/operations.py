"""What an operator starts: a run of the deployment, its log as it goes on, its state and the exit code at the end.

Nothing is done by this process. It is the run that works, with the credentials and rights of whoever serves it, and it
is in Prefect's books like one from the UI. Ctrl-C leaves it alone.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import typer
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import PrefectHTTPStatusError
from prefect.utilities.urls import url_for

from cli import flow_runs
from cli.consent import agree
from cli.output import Output
from fleet.errors import FleetError

_TAKEN_WITHIN_S = 20.0
"""Who serves flows looks for runs every few seconds."""


def operate(deployment: str, parameters: Mapping[str, Any], out: Output, wait: bool = True) -> None:
    """Start the deployment and follow its run to the end, or without `wait` only say where it is.

    A run that waits for an approval has it asked for here. Raises `FleetError` unless the run completed.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    with flow_runs.prefect() as client:
        started = flow_runs.start(client, deployment, given)
        if not wait:
            out.result(_told(started), f"{deployment} is asked for as {started.name}: {_url(started)}")
            return
        out.say(f"{deployment}, run {started.name}: {_url(started)}")
        try:
            ended = flow_runs.follow(client, started, _Watcher(started, out))
        except KeyboardInterrupt:
            print(f"fleet: the run goes on without us: {_url(started)}", file=sys.stderr)
            raise typer.Exit(130) from None
    if ended is not None:
        _tell(deployment, ended, out)


class _Watcher:
    """Says the run's log, says when nobody takes it, and asks for the approval that it waits for."""

    def __init__(self, started: FlowRun, out: Output) -> None:
        self._log, self._out = flow_runs.LogLines(started.id, out.say), out
        self._late_at = time.monotonic() + _TAKEN_WITHIN_S
        self._asked = set[str]()

    def __call__(self, client: SyncPrefectClient, flow_run: FlowRun) -> None:
        self._log(client)
        state = flow_run.state
        if state is None:
            return
        if state.is_scheduled() and time.monotonic() > self._late_at:
            self._late_at = float("inf")
            self._out.say("Nobody has taken the run yet: is `python -m flows.serve` or a worker running? Waiting on.")
        keys = state.state_details.run_input_keyset
        if state.is_paused() and keys and keys["response"] not in self._asked:
            if not (shown := _read(client, flow_run, keys["description"])):
                return  # the form comes a moment after the state
            self._asked.add(keys["response"])
            _decide(client, flow_run, shown, self._out)


def _decide(client: SyncPrefectClient, flow_run: FlowRun, shown: str, out: Output) -> None:
    """Show what the run would do, and resume it with the answer. Whoever cannot be asked leaves it to the UI."""
    _show_markdown(shown, out)
    try:
        agree("Do exactly this?", yes=False)
        approved = True
    except FleetError:
        approved = False
    client.resume_flow_run(flow_run.id, run_input={"approved": approved})


def _read(client: SyncPrefectClient, flow_run: FlowRun, key: str) -> str:
    try:
        return str(json.loads(client.read_flow_run_input(flow_run.id, key)))
    except PrefectHTTPStatusError as error:
        if error.response.status_code == 404:
            return ""
        raise


def _show_markdown(text: str, out: Output) -> None:
    if out.as_json or not sys.stdout.isatty():
        out.say(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))


def _tell(deployment: str, ended: FlowRun, out: Output) -> None:
    message = (ended.state.message if ended.state else None) or "It said nothing."
    if ended.state and ended.state.is_completed():
        out.result(_told(ended), f"{deployment}: {message}")
        return
    if out.as_json:
        out.result(_told(ended))
    flow_runs.completed(deployment, ended)


def _told(flow_run: FlowRun) -> dict[str, Any]:
    state = flow_run.state
    return {
        "flow_run_id": flow_run.id,
        "name": flow_run.name,
        "url": _url(flow_run),
        "state": state.name if state else None,
        "completed": bool(state and state.is_completed()),
        "message": state.message if state else None,
    }


def _url(flow_run: FlowRun) -> str:
    return url_for("flow-run", obj_id=flow_run.id) or str(flow_run.id)
