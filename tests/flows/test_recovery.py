"""After a run that was killed, canceled or failed the next begins at once, and none where the deployment is paused."""

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import AutomationCore, EventTrigger
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.settings.models.flows import FlowsSettings

from fleet.adapters import aws
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import connect, one
from fleet.settings import Settings
from flows import automations
from tests.flows.conftest import Serve
from tests.flows.environment import environment_of
from tests.messages import body, sample

pytestmark = [pytest.mark.integration, pytest.mark.slow]
PAUSE_S = 30


@pytest.fixture
def recovery(prefect_server: Any) -> Iterator[None]:
    """The automations of the served flows, gone afterwards."""
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        automations.ensure(automations.recovery())
        yield
        automations.ensure([])


def process_of(run: str, seconds: float = 60) -> int:
    """The process that works on the run: it has the run's id in its environment."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for environment in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"PREFECT__FLOW_RUN_ID={run}".encode() in environment.read_bytes():
                    return int(environment.parent.name)
            except OSError:
                continue
        time.sleep(0.1)
    raise AssertionError(f"no process works on {run}")


def followers(prefect_server: Any, flow: str, *known: str) -> list[dict[str, Any]]:
    query = {"flows": {"name": {"any_": [flow]}}, "sort": "EXPECTED_START_TIME_ASC"}
    return [run for run in prefect_server.post("/flow_runs/filter", **query) if run["id"] not in known]


def wait_for_follower(prefect_server: Any, flow: str, *known: str, seconds: float = PAUSE_S) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while not (found := followers(prefect_server, flow, *known)):
        assert time.monotonic() < deadline, "nothing follows the lost run"
        time.sleep(0.2)
    return found[0]


def cancel(prefect_server: Any, run: str) -> None:
    prefect_server.post(f"/flow_runs/{run}/set_state", state={"type": "CANCELLING"})
    prefect_server.wait(run, "CANCELLED")


@pytest.fixture
def send(fleet_settings: Settings) -> Callable[[bytes], None]:
    queue = Queue(fleet_settings, fleet_settings.names.telemetry_queue)
    client = aws.client(fleet_settings, "sqs")
    client.purge_queue(QueueUrl=queue.url)
    return lambda text: client.send_message(QueueUrl=queue.url, MessageBody=text.decode())


def wait_for_samples(
    settings: Settings, count: int, seconds: float, meanwhile: Callable[[], None] | None = None
) -> None:
    """Return once so many are stored; until then `meanwhile` is called once a second."""
    began, calls = time.monotonic(), 0
    with connect(settings) as connection:
        while (there := one(connection.execute("SELECT count(*) AS n FROM fleet.telemetry"))["n"]) < count:
            since = time.monotonic() - began
            assert since < seconds, f"{there} samples after {seconds} s"
            if meanwhile and calls < since:
                meanwhile()
                calls += 1
            connection.commit()
            time.sleep(0.1)


@pytest.mark.timeout(240)
def test_ingestion_goes_on_within_seconds_after_its_run_was_killed(
    fleet_settings: Settings,
    send: Callable[[bytes], None],
    prefect_server: Any,
    serve: Serve,
    recovery: None,
    record_property: Callable[[str, object], None],
) -> None:
    with connect(fleet_settings) as connection:
        connection.execute(
            "INSERT INTO fleet.devices (thing_name, model, key_on_device) VALUES ('battery-1', 'test', false)"
        )
    # As often as a runner asks by itself, not as often as tests do.
    serve(
        "flows.ingest_telemetry:ingest_telemetry+no-pause",
        {**environment_of(fleet_settings), "PREFECT_RUNNER_POLL_FREQUENCY": "10"},
    )
    run = prefect_server.run("ingest-telemetry/test", time_budget_s=300, wait_s=1)
    prefect_server.wait(run, "RUNNING")
    send(body(samples=[sample(1)]))
    wait_for_samples(fleet_settings, 1, 60)
    os.kill(process_of(run), signal.SIGKILL)
    killed = time.monotonic()
    # As SQS does it, the long poll of the process that is gone may take one more message, hidden for two minutes then.
    next_sample = itertools.count(2)
    wait_for_samples(fleet_settings, 2, PAUSE_S, lambda: send(body(samples=[sample(next(next_sample))])))
    record_property("pause_s", round(time.monotonic() - killed, 1))  # seen: 12 s, 10 of them the runner's interval
    assert prefect_server.state(run)["type"] == "CRASHED"


def test_a_canceled_run_is_followed_at_once_and_none_where_the_deployment_is_paused(
    prefect_server: Any, serve: Serve, recovery: None
) -> None:
    serve("tests.flows.tiny:at_work+no-pause", {})
    run = prefect_server.run("at-work/test")
    prefect_server.wait(run, "RUNNING")
    cancel(prefect_server, run)
    next_run = wait_for_follower(prefect_server, "at-work", run)
    prefect_server.wait(next_run["id"], "RUNNING", seconds=PAUSE_S)

    prefect_server.post(f"/deployments/{next_run['deployment_id']}/pause_deployment")
    time.sleep(automations.CRASHED_AT_ONCE.total_seconds())  # no more often than this
    before = len(prefect_server.events("prefect.automation.action.executed", 0))
    cancel(prefect_server, next_run["id"])
    prefect_server.events("prefect.automation.action.executed", before + 1)  # the run was asked for
    deadline = time.monotonic() + PAUSE_S
    while followers(prefect_server, "at-work", run, next_run["id"]):
        assert time.monotonic() < deadline, "it waits to be run, or runs, although its deployment is paused"
        time.sleep(0.2)


def test_a_failed_run_is_followed_after_a_while_and_one_that_may_pause_is_not(
    prefect_server: Any, serve: Serve, recovery: None
) -> None:
    serve("tests.flows.tiny:failing+no-pause tests.flows.tiny:at_work", {})
    mayrest = prefect_server.run("at-work/test")
    prefect_server.wait(mayrest, "RUNNING")
    cancel(prefect_server, mayrest)
    run = prefect_server.run("failing/test")
    assert prefect_server.wait(run)["type"] == "FAILED"
    follower = wait_for_follower(prefect_server, "failing", run)
    wait = datetime.fromisoformat(follower["expected_start_time"]) - datetime.now(UTC)
    assert 15 < wait.total_seconds() < 31
    assert follower["created_by"]["type"] == "AUTOMATION"
    known = {each["id"] for each in followers(prefect_server, "at-work") if each["created_by"]}
    assert mayrest not in known
    assert not [each for each in followers(prefect_server, "at-work", mayrest) if each["start_time"] is None]


def test_a_run_under_a_worker_tells_of_its_life_three_times_before_it_counts_as_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "")
    monkeypatch.delenv("PREFECT_FLOWS_HEARTBEAT_FREQUENCY")
    automations.beat()
    beats_s = FlowsSettings().heartbeat_frequency
    trigger = automations.recovery()[0].trigger
    assert isinstance(trigger, EventTrigger)
    assert beats_s and 3 * beats_s <= trigger.within.total_seconds()


def test_automations_are_made_once_put_right_and_removed_with_the_code(prefect_server: Any, recovery: None) -> None:
    def news(*wanted: AutomationCore) -> set[str]:
        return set(automations.ensure(wanted).values())

    def there() -> list[dict[str, Any]]:
        return list(prefect_server.post("/automations/filter", automations={"tags": {"all_": ["flip-fleet"]}}))

    assert news(*automations.recovery()) == {"unchanged"}
    with get_client(sync_client=True) as client:
        of_others = client.create_automation(automations.recovery()[1].model_copy(update={"name": "of others"}))
        client.create_automation(automations.recovery()[1])  # a double, of an earlier version without tags
        client.pause_automation(there()[0]["id"])
        assert news(*automations.recovery()) == {"unchanged", "updated"}
        assert sorted(one["name"] for one in there()) == sorted(one.name for one in automations.recovery())
        assert [one["enabled"] for one in there()].count(False) == 1, "what an operator turned off stays off"
        changed = automations.recovery()[0].model_copy(update={"description": "Said better."})
        assert news(changed, *automations.recovery()[1:]) == {"unchanged", "updated"}
        assert "Said better." in {one["description"] for one in there()}
        assert [one["enabled"] for one in there()].count(False) == 1
        assert news(*automations.recovery()) == {"unchanged", "updated"}
        assert news(*automations.recovery()[:1]) == {"unchanged", "removed"}
        assert len(there()) == 1
        assert client.read_automation(of_others), "what others made is theirs"
        client.delete_automation(of_others)
