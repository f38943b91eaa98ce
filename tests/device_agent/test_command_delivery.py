"""Commands to the real process, over real mutual TLS: executed in the telemetry, answered, and resumed after a kill."""

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from device_agent.options import SPOOL_FILE
from fleet.commands.message import CANCEL, SET, Clock, CommandMessage, DeviceCommand, encode
from fleet.commands.signing import Signer, new_private_key
from fleet.devices import COMMAND_KEY_FILE
from fleet.telemetry.sample import Mode, Sample
from tests.command_examples import SIGNER
from tests.device_agent.test_delivery import FAST, acknowledged

pytestmark = pytest.mark.integration


def discharge(sequence: int, starts_in_s: float, duration_s: float, **values) -> DeviceCommand:
    starts_at = datetime.now(UTC) + timedelta(seconds=starts_in_s)
    told = {"mode": "DISCHARGE", "setpoint_w": 2_000.0, "backup_reserve_pct": 10.0} | values
    ends_at = starts_at + timedelta(seconds=duration_s)
    return DeviceCommand(sequence, SET, f"cmd_{sequence}", starts_at=starts_at, ends_at=ends_at, **told)


def told(cloud, folder: Path) -> list[int]:
    return [message.last_command_sequence for message in cloud.receive(folder.name)]


def statuses(cloud, folder: Path) -> list[tuple[int, str]]:
    """Every answer once, in the order of arrival."""
    answers = (answer for message in cloud.receive(folder.name) for answer in message.command_results)
    return list(dict.fromkeys((answer.sequence, answer.status) for answer in answers))


def under_command(cloud, folder: Path) -> list[Sample]:
    samples = {sample.sequence: sample for message in cloud.receive(folder.name) for sample in message.samples}
    return [sample for _, sample in sorted(samples.items()) if sample.mode is Mode.DISCHARGE]


def answers_waiting(folder: Path) -> int:
    with closing(sqlite3.connect(f"{(folder / SPOOL_FILE).as_uri()}?mode=ro", uri=True)) as spool:
        return int(spool.execute("SELECT count(*) FROM command_result").fetchone()[0])


def test_a_killed_agent_resumes_its_command_and_ends_it_on_time(cloud, start_agent, eventually) -> None:
    folder = cloud.new_device()
    agent = start_agent("run", folder, *FAST)
    eventually(lambda: acknowledged(folder) >= 1, "connected")
    command = discharge(1, 1.0, 9.0)
    cloud.tell(folder, command)
    eventually(lambda: len(under_command(cloud, folder)) >= 5, "the command is executed")
    agent.kill()
    before = len(under_command(cloud, folder))
    agent = start_agent("run", folder, *FAST)
    eventually(lambda: (1, "DONE") in statuses(cloud, folder), "the command is done")
    eventually(lambda: answers_waiting(folder) == 0, "the answers have arrived")
    assert agent.stop() == 0
    samples = under_command(cloud, folder)
    assert statuses(cloud, folder) == [(1, "RUNNING"), (1, "DONE")]
    assert told(cloud, folder)[-1] == 1
    assert len(samples) > before + 3
    assert all(sample.battery_discharge_power_w == pytest.approx(2_000, rel=0.01) for sample in samples)
    assert command.starts_at is not None
    assert command.ends_at is not None
    assert abs((samples[0].measured_at - command.starts_at).total_seconds()) < 1
    assert command.ends_at - timedelta(seconds=1) < samples[-1].measured_at < command.ends_at


def test_commands_are_answered_at_once_whatever_the_publish_interval(cloud, start_agent, eventually) -> None:
    folder = cloud.new_device()
    agent = start_agent("run", folder, "--sample-interval", "60", "--publish-interval", "60")
    eventually(lambda: acknowledged(folder) >= 1, "connected")
    waiting, wrong = discharge(1, 3_600, 60), discharge(2, 0, 60, mode="DANCE")
    cloud.tell(folder, wrong, waiting)
    eventually(lambda: (2, "FAILED") in statuses(cloud, folder), "the refusal")
    first = next(message for message in cloud.receive(folder.name) if message.last_command_sequence)
    assert first.last_command_sequence == 2
    assert "DANCE" in first.command_results[0].reason
    cloud.publish(folder, SIGNER.sign(b"\x00noise"))
    cloud.tell(folder, waiting, DeviceCommand(5, CANCEL, "cmd_1", 2))
    eventually(lambda: told(cloud, folder)[-1] == 5, "the cumulative acknowledgement")
    assert statuses(cloud, folder) == [(2, "FAILED"), (5, "CANCELED")]
    assert "no list of commands" in agent.says()
    assert agent.stop() == 0


def test_who_looks_at_a_battery_sees_it_live_within_seconds(cloud, start_agent, eventually) -> None:
    """At a publish interval of a minute."""
    folder = cloud.new_device()
    agent = start_agent("run", folder, "--sample-interval", "1", "--live-interval", "1")
    eventually(lambda: acknowledged(folder) >= 1, "connected")
    before, looked = len(cloud.receive(folder.name)), time.monotonic()
    look = CommandMessage(folder.name, [], Clock(datetime.now(UTC)), live_s=60)
    cloud.publish(folder, SIGNER.sign(encode(look)))
    eventually(lambda: len(cloud.receive(folder.name)) > before, "the first answer")
    assert time.monotonic() - looked < 3
    eventually(lambda: len(cloud.receive(folder.name)) > before + 4, "a message a second")
    assert time.monotonic() - looked < 12
    assert statuses(cloud, folder) == []
    assert agent.stop() == 0


def test_a_battery_does_nothing_that_the_cloud_did_not_sign(cloud, start_agent, eventually) -> None:
    """Whoever may publish to its topic, and whatever: a broker, a stolen key, a message for another one."""
    folder = cloud.new_device()
    agent = start_agent("run", folder, *FAST)
    eventually(lambda: acknowledged(folder) >= 1, "connected")
    wanted = encode(CommandMessage(folder.name, [discharge(1, 0, 600)], Clock(datetime.now(UTC))))
    for_another = encode(CommandMessage("another", [discharge(2, 0, 600)], Clock(datetime.now(UTC))))
    for body in (wanted, Signer(new_private_key()).sign(wanted), SIGNER.sign(for_another)):
        cloud.publish(folder, body)
    eventually(lambda: agent.says().count("not followed") == 3, "three refusals")
    cloud.tell(folder, discharge(3, 3_600, 60))
    eventually(lambda: told(cloud, folder)[-1] == 3, "the cloud's own word, after all these")
    assert under_command(cloud, folder) == [] == statuses(cloud, folder)
    assert agent.stop() == 0
    assert "3 messages refused that nobody of ours signed" in agent.says()


def test_a_battery_goes_over_to_the_key_that_follows_and_never_back(cloud, start_agent, eventually) -> None:
    folder = cloud.new_device()
    key, last_key = new_private_key(), new_private_key()
    following = Signer(key, SIGNER.name_successor(Signer(key).public_key))
    last = Signer(last_key, following.name_successor(Signer(last_key).public_key))

    def publish(signer: Signer, command: DeviceCommand) -> None:
        cloud.publish(folder, signer.sign(encode(CommandMessage(folder.name, [command], Clock(datetime.now(UTC))))))

    agent = start_agent("run", folder, *FAST)
    eventually(lambda: acknowledged(folder) >= 1, "connected")
    publish(last, discharge(1, 3_600, 60))
    eventually(lambda: told(cloud, folder)[-1] == 1, "a word signed with the key after the next")
    assert agent.stop() == 0
    assert (folder / COMMAND_KEY_FILE).read_bytes() == last.public_key.pem
    before, agent = acknowledged(folder), start_agent("run", folder, *FAST)
    eventually(lambda: acknowledged(folder) > before, "connected again")
    for signer in (SIGNER, following):
        publish(signer, discharge(2, 3_600, 60))
    earlier = [f"signed with the key {one.public_key.key_id[:8]}" for one in (SIGNER, following)]
    eventually(lambda: all(refusal in agent.says() for refusal in earlier), "both refused")
    publish(last, discharge(3, 3_600, 60))
    eventually(lambda: told(cloud, folder)[-1] == 3, "the newest key's word")
    assert statuses(cloud, folder) == []
    assert agent.stop() == 0


def test_commands_still_come_after_a_reconnection(cloud, proxy, start_agent, eventually) -> None:
    folder = cloud.change(cloud.new_device(), port=proxy.port)
    agent = start_agent("run", folder, *FAST, "--reconnect-max", "1", "--fault", "inverter")
    eventually(lambda: "is connected" in agent.says(), "connected")
    proxy.cut()
    eventually(lambda: "lost its connection" in agent.says(), "the outage seen")
    proxy.mend()
    eventually(lambda: agent.says().count("is connected") == 2, "connected again")
    cloud.tell(folder, discharge(1, 0, 60))
    eventually(lambda: statuses(cloud, folder) == [(1, "FAILED")], "the fault that was simulated")
    assert agent.stop() == 0
