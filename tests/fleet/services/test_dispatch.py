"""Reports reach Flip once each, over its outages, and never the older one last; IoT Core's no holds up nobody else."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from pydantic import SecretStr

from fleet.adapters import aws
from fleet.adapters.aws.iot_data import DevicePublisher
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.flip import FlipClient
from fleet.adapters.flip.retries import RetryPolicy
from fleet.adapters.postgres import Connection, connect
from fleet.adapters.postgres.command_reports import Report, Reports
from fleet.adapters.postgres.command_sending import claim_looks
from fleet.adapters.postgres.commands import Commands
from fleet.adapters.postgres.telemetry import Received, store
from fleet.commands.message import CommandMessage
from fleet.commands.message import parse as parse_commands
from fleet.errors import NotConfigured, Refused, Unavailable
from fleet.flip import CommissionRequest
from fleet.infrastructure.names import InfrastructureNames
from fleet.services.dispatch import Dispatched, Reported, dispatch, report_due
from fleet.settings import Settings
from fleet.telemetry.message import parse
from local_cloud.flip.steering import Steering
from tests.command_examples import add_device, command_of, messages_of, receive, steps_of, told
from tests.fleet.flip_examples import battery, home
from tests.messages import body

STRANGER = "LKIANOBODYNOBODYNOBO"


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    with connect(database) as connection:
        add_device(connection)
        connection.autocommit = True
        yield connection


@pytest.fixture
def quick_flip(flip_settings: Settings) -> Iterator[FlipClient]:
    with FlipClient(flip_settings.flip_base_url, flip_settings.flip_token, retries=RetryPolicy(attempts=1)) as flip:
        yield flip


@pytest.fixture
def command_id(connection: Connection, flip: FlipClient, flip_server: Steering) -> str:
    """A command that Flip knows and that the battery cannot do."""
    flip.commission(CommissionRequest(site=home(), devices=(battery("battery-1"),)))
    made = flip_server.create_event(
        start_in_s=600, duration_s=600, mode="DISCHARGE", power_mode="SETPOINT", setpoint_w=9000
    )
    (command,) = [one for one in flip.commands() if one.value.id in made["command_ids"]]  # type: ignore[union-attr]
    now = datetime.now(UTC)
    assert Commands(connection).receive(command.value, now, now) == "applied"  # type: ignore[union-attr]
    return str(command.value.id)  # type: ignore[union-attr]


def told_to(flip_server: Steering) -> list[str]:
    return [one["device_status"] for one in flip_server.received("acknowledgements")]


def make_due(connection: Connection) -> None:
    connection.execute("UPDATE fleet.commands SET next_report_at = now() WHERE next_report_at IS NOT NULL")


def test_flip_hears_what_became_of_a_command_once(
    connection: Connection, command_id: str, quick_flip: FlipClient, flip_server: Steering
) -> None:
    assert [report_due(connection, quick_flip) for _ in range(2)] == [Reported(taken=1), Reported()]
    assert told_to(flip_server) == ["FAILED_FAULT"]
    row = command_of(connection, command_id)
    assert (row["reported"], row["reported_revision"], row["next_report_at"]) == ("FAILED_FAULT", 1, None)


def test_an_outage_of_flip_only_delays_the_report(
    connection: Connection, command_id: str, quick_flip: FlipClient, flip_server: Steering
) -> None:
    flip_server.outage(True)
    assert report_due(connection, quick_flip) == Reported(postponed=1)
    assert report_due(connection, quick_flip) == Reported(), "it waits before it asks again"
    row = command_of(connection, command_id)
    assert row["report_attempts"] == 1 and row["next_report_at"] > datetime.now(UTC)
    flip_server.outage(False)
    make_due(connection)
    assert report_due(connection, quick_flip) == Reported(taken=1)
    assert told_to(flip_server) == ["FAILED_FAULT"]


def test_a_token_that_flip_does_not_take_fails_the_run_and_the_report_waits(
    connection: Connection, command_id: str, flip_settings: Settings
) -> None:
    wrong = FlipClient(flip_settings.flip_base_url, SecretStr("revoked"), retries=RetryPolicy(attempts=1))
    with wrong, pytest.raises(Refused, match="FLEET_FLIP_TOKEN"):
        report_due(connection, wrong)
    row = command_of(connection, command_id)
    assert row["report_attempts"] == 1 and row["next_report_at"] > datetime.now(UTC)


def test_a_token_that_is_not_set_ends_the_run_with_the_sentence(
    connection: Connection, command_id: str, flip_settings: Settings
) -> None:
    without = FlipClient(flip_settings.flip_base_url, SecretStr(""), retries=RetryPolicy(attempts=1))
    with without, pytest.raises(NotConfigured, match="FLEET_FLIP_TOKEN is not set"):
        report_due(connection, without)
    assert command_of(connection, command_id)["next_report_at"] is not None, "it waits"


def test_an_answer_that_waited_while_flip_canceled_the_command_is_not_told_as_the_cancellations(
    connection: Connection, quick_flip: FlipClient, flip_server: Steering, flip: FlipClient
) -> None:
    flip.commission(CommissionRequest(site=home(), devices=(battery("battery-1"),)))
    made = flip_server.create_event(start_in_s=600, duration_s=600, mode="STANDBY")
    now = datetime.now(UTC)
    waiting = told(made["command_ids"][0], starts_at=now, ends_at=now + timedelta(hours=1), said=now)
    receive(connection, waiting, now)
    connection.execute("UPDATE fleet.command_messages SET sends = 1")
    connection.execute(
        "UPDATE fleet.commands SET state = 'running', report = 'OK', report_revision = 1, next_report_at = now()"
    )
    later = now + timedelta(seconds=1)
    receive(connection, msgspec.structs.replace(waiting, status="CANCELED", updated_at=later), later)
    assert report_due(connection, quick_flip) == Reported(), "the battery does not know of the cancellation yet"
    assert told_to(flip_server) == []


@pytest.mark.parametrize("odd", ["x" * 201, ".."])
def test_a_report_that_cannot_be_sent_holds_up_no_other(
    connection: Connection, command_id: str, quick_flip: FlipClient, flip_server: Steering, odd: str
) -> None:
    class Careless(Reports):
        def _report(self, command_id: str, now: datetime) -> Report | None:
            report = super()._report(command_id, now)
            return replace(report, command_id=odd) if report and command_id == "cmd_odd" else report

    add_device(connection, "battery-9")
    receive(connection, told("cmd_odd", "battery-9", setpoint_w=9000.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fleet.services.dispatch.Reports", Careless)
        outcome = report_due(connection, quick_flip)
    assert outcome.taken == 1
    assert outcome.postponed + outcome.given_up == 1
    assert len(told_to(flip_server)) == 1


def test_a_command_that_flip_does_not_know_is_not_told_for_ever(
    connection: Connection, quick_flip: FlipClient, flip_server: Steering
) -> None:
    receive(connection, told("cmd_forgotten", setpoint_w=9000.0))
    assert [report_due(connection, quick_flip) for _ in range(2)] == [Reported(given_up=1), Reported()]
    row = command_of(connection, "cmd_forgotten")
    assert row["reported"] is None and row["report_failure"]


def test_what_becomes_due_while_flip_is_told_is_told_next(
    connection: Connection,
    command_id: str,
    quick_flip: FlipClient,
    flip_settings: Settings,
    flip_server: Steering,
    database: Settings,
) -> None:
    changed: list[str] = []

    class Changing(FlipClient):
        def acknowledge_command(self, command_id: str, device_status: str, reason: str = "") -> None:
            super().acknowledge_command(command_id, device_status, reason)
            if not changed:
                changed.append(device_status)
                with connect(database) as other:
                    other.execute("UPDATE fleet.commands SET report = 'OK', next_report_at = now()")
                    other.commit()
                    assert report_due(autocommit(other), quick_flip) == Reported(), "one session at a time"

    with Changing.from_settings(flip_settings) as flip:
        assert [report_due(connection, flip) for _ in range(3)] == [Reported(taken=1), Reported(taken=1), Reported()]
    assert told_to(flip_server) == ["FAILED_FAULT", "OK"]


def autocommit(connection: Connection) -> Connection:
    connection.autocommit = True
    return connection


@pytest.mark.integration
def test_a_command_is_published_and_its_answer_counted_in(fleet_settings: Settings) -> None:
    now = datetime.now(UTC)
    with connect(fleet_settings) as connection:
        add_device(connection)
        receive(connection, told(starts_at=now, ends_at=now + timedelta(hours=1)), now)
        assert dispatch(fleet_settings, 0).messages == 1
        assert steps_of(connection) == ["received", "pending", "delivered"]
        text = body("battery-1", samples=[], last_command_sequence=1, received_at_ms=round(now.timestamp() * 1000))
        store(connection, [(Received("m", text, now), parse(text))])
        assert dispatch(fleet_settings, 0) == Dispatched(answered=1)
        assert command_of(connection)["state"] == "acknowledged"


@pytest.mark.integration
def test_a_battery_that_somebody_looks_at_is_told_once_a_look(fleet_settings: Settings) -> None:
    with connect(fleet_settings) as connection:
        add_device(connection)
        connection.execute("INSERT INTO fleet.looks VALUES ('battery-1', now() + interval '2 minutes')")
        connection.commit()
        assert [dispatch(fleet_settings, 0).messages for _ in range(2)] == [1, 0]
        connection.execute("UPDATE fleet.looks SET until = until + interval '1 minute'")
        connection.commit()
        (message,) = claim_looks(connection, datetime.now(UTC), 10)
        told_ = parse_commands(message.body)
        assert isinstance(told_, CommandMessage)
        assert (told_.thing_name, told_.commands) == ("battery-1", []) and 170 < (told_.live_s or 0) <= 180
        connection.execute("UPDATE fleet.looks SET told_until = NULL, until = now() - interval '1 second'")
        assert claim_looks(connection, datetime.now(UTC), 10) == [], "nobody looks any more"


@pytest.mark.integration
def test_what_iot_core_does_not_take_is_sent_again_later(
    fleet_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    now = datetime.now(UTC)
    with connect(fleet_settings) as connection:
        add_device(connection)
        receive(connection, told(starts_at=now, ends_at=now + timedelta(hours=1)), now)
        wrong = fleet_settings.model_copy(update={"aws_access_key_id": STRANGER})
        done = dispatch(wrong, 0)
        assert (done.messages, done.refused) == (0, 1)
        assert "AWS refused to send a message to battery-1" in caplog.text
        (message,) = messages_of(connection)
        assert message["sends"] == 1 and message["next_send_at"] > now
        assert command_of(connection)["state"] == "pending"


def test_an_endpoint_that_hangs_is_given_up_soon() -> None:
    """Or nobody would tell Flip in time who is offline."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = Settings(
            aws_endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}",
            aws_access_key_id="KEY",
            aws_secret_access_key=SecretStr("secret"),
        )
        with DevicePublisher(there, timeout_s=0.2) as publisher:
            began = time.monotonic()
            errors = publisher.publish([(f"battery-{number}", b"{}") for number in range(16)])
    assert {type(error) for error in errors} == {Unavailable}
    assert time.monotonic() - began < 10, "the default would be five tries of 60 s"


@pytest.mark.integration
def test_many_are_published_at_once_and_a_stranger_is_refused(resources: Settings) -> None:
    wrong = resources.model_copy(update={"aws_access_key_id": STRANGER})
    with DevicePublisher(resources) as publisher, DevicePublisher(wrong) as refused:
        assert publisher.publish([(f"battery-{n}", b"{}") for n in range(40)]) == [None] * 40
        (error,) = refused.publish([("battery-1", b"{}")])
    assert isinstance(error, Refused)


@pytest.mark.integration
def test_the_jobs_role_may_publish_commands_and_read_no_queue(resources: Settings) -> None:
    role = f"arn:aws:iam::000000000000:role/{InfrastructureNames(resources.project).roles['dispatch']}"
    keys = aws.client(resources, "sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    job = resources.model_copy(
        update={
            "aws_access_key_id": keys["AccessKeyId"],
            "aws_secret_access_key": SecretStr(keys["SecretAccessKey"]),
            "aws_session_token": SecretStr(keys["SessionToken"]),
        }
    )
    with DevicePublisher(job) as publisher:
        assert publisher.publish([("battery-1", b"{}")]) == [None]
    with pytest.raises(Refused):
        Queue(job, job.names.telemetry_queue)
