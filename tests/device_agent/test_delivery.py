"""The real process, over real mutual TLS: what it sampled is what the queue holds."""

import json
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from device_agent.options import SPOOL_FILE
from device_agent.spool_reader import Counts, SpoolReader
from fleet.commands.message import SET, DeviceCommand
from fleet.errors import NotConfigured
from fleet.telemetry.sample import Mode

pytestmark = pytest.mark.integration

FAST = ("--sample-interval", "0.2", "--publish-interval", "0.5", "--keep-acknowledged", "100000")


def counts(folder: Path) -> Counts:
    with SpoolReader(folder / SPOOL_FILE) as spool:
        return spool.counts()


def spooled(folder: Path) -> dict[int, bytes]:
    with SpoolReader(folder / SPOOL_FILE) as spool:
        return {sequence: body for sequence, _, body in spool.samples()}


def acknowledged(folder: Path) -> int:
    try:
        return counts(folder).acknowledged
    except NotConfigured:  # the agent has not made its spool yet
        return 0


def test_what_the_spool_says_is_what_the_queue_holds(cloud, start_agent, eventually) -> None:
    folder = cloud.new_device()
    agent = start_agent("run", folder, *FAST)
    eventually(lambda: acknowledged(folder) >= 10, "10 samples acknowledged")
    assert agent.stop() == 0
    assert counts(folder).pending == 0
    assert counts(folder).sampled == counts(folder).acknowledged
    assert cloud.samples(folder.name) == spooled(folder)
    assert list(spooled(folder)) == list(range(1, counts(folder).sampled + 1))


def test_a_killed_agent_loses_nothing_and_keeps_counting(cloud, start_agent, eventually) -> None:
    folder = cloud.new_device()
    for round_ in range(1, 4):
        agent = start_agent("run", folder, *FAST)
        eventually(lambda want=6 * round_: acknowledged(folder) >= want, "samples acknowledged")
        agent.kill()
    before = spooled(folder)
    assert start_agent("run", folder, *FAST, "--once").process.wait(timeout=30) == 0
    assert spooled(folder).items() >= before.items()
    assert list(spooled(folder)) == list(range(1, counts(folder).sampled + 1))
    assert cloud.samples(folder.name) == spooled(folder)


def test_order_is_kept_within_the_queue(cloud, start_agent, eventually) -> None:
    folder = cloud.new_device()
    agent = start_agent("run", folder, *FAST)
    eventually(lambda: acknowledged(folder) >= 8, "samples acknowledged")
    assert agent.stop() == 0
    sequences = [sample.sequence for message in cloud.receive(folder.name) for sample in message.samples]
    assert sequences == sorted(sequences)


def test_an_outage_is_sat_out_and_made_up_for(cloud, proxy, start_agent, eventually) -> None:
    folder = cloud.new_device()
    cloud.change(folder, port=proxy.port)
    agent = start_agent("run", folder, *FAST, "--reconnect-max", "1", "--max-samples", "5")
    eventually(lambda: acknowledged(folder) >= 3, "samples acknowledged")
    proxy.cut()
    eventually(lambda: counts(folder).pending >= 15, "a backlog")
    assert agent.process.poll() is None
    proxy.mend()
    back = counts(folder).sampled
    eventually(lambda: acknowledged(folder) >= back, "the backlog acknowledged")
    assert agent.stop() == 0
    assert cloud.samples(folder.name) == spooled(folder)
    assert max(len(message.samples) for message in cloud.receive(folder.name)) == 5


def test_an_agent_without_a_network_samples_and_ends_at_once_when_asked(cloud, proxy, start_agent, eventually) -> None:
    proxy.cut()
    folder = cloud.change(cloud.new_device(), port=proxy.port)
    agent = start_agent("run", folder, *FAST)
    eventually(lambda: "could not connect" in agent.says(), "an attempt")
    eventually(lambda: counts(folder).sampled >= 3, "samples")
    assert agent.stop() == 0
    assert counts(folder).pending == counts(folder).sampled


def test_one_agent_stays_below_60_mb(cloud, start_agent, eventually) -> None:
    folder = cloud.new_device()
    agent = start_agent("run", folder, *FAST)
    eventually(lambda: acknowledged(folder) >= 10, "at work")
    assert psutil.Process(agent.process.pid).memory_info().rss < 60_000_000
    assert agent.stop() == 0


def test_many_batteries_share_a_process_and_a_spool(cloud, start_agent, eventually, tmp_path) -> None:
    folders = [cloud.new_device(f"many-{tmp_path.name}-{index}"[:128]) for index in range(5)]
    fleet = tmp_path / "fleet"
    fleet.mkdir()
    for folder in folders:
        (fleet / folder.name).symlink_to(folder)
    spool = tmp_path / "all.sqlite3"
    agent = start_agent("simulate", "--folders", fleet, "--count", 5, "--spool", spool, *FAST)
    eventually(lambda: agent.says().count("is connected") == 5, "all connected")
    now = datetime.now(UTC)
    cloud.tell(folders[2], DeviceCommand(1, SET, "cmd_1", starts_at=now, mode="DISCHARGE", setpoint_w=1_500))
    with SpoolReader(spool) as reader:
        eventually(lambda: reader.counts().acknowledged >= 50, "samples acknowledged")
        assert agent.stop() == 0
        assert reader.counts().pending == 0
        assert reader.things() == sorted(folder.name for folder in folders)
    for folder in folders:
        with SpoolReader(spool, folder.name) as reader:
            assert {n: body for n, _, body in reader.samples()} == cloud.samples(folder.name)
        last = cloud.receive(folder.name)[-1].samples[-1]
        discharges_w = last.battery_discharge_power_w if last.mode is Mode.DISCHARGE else 0
        assert discharges_w == (1_500 if folder is folders[2] else 0)


def test_logs_can_be_json(cloud, start_agent) -> None:
    folder = cloud.new_device()
    agent = start_agent("run", folder, "--once", "--log-format", "json")
    assert agent.process.wait(timeout=30) == 0
    lines = [json.loads(line) for line in agent.says().splitlines()]
    assert {"at", "level", "logger", "message"} <= lines[0].keys()
    assert [line["thing_name"] for line in lines if "is connected" in line["message"]] == [folder.name]
    key = (folder / "private.key").read_text().splitlines()
    assert not any(part in agent.says() for part in ("PRIVATE KEY", *key[1:-1]))


def test_the_format_of_the_logs_is_a_setting_too(cloud, start_agent, monkeypatch) -> None:
    monkeypatch.setenv("FLEET_LOG_FORMAT", "json")
    agent = start_agent("run", cloud.new_device(), "--once")
    assert agent.process.wait(timeout=30) == 0
    assert all(json.loads(line)["logger"] for line in agent.says().splitlines())
    monkeypatch.setenv("FLEET_LOG_FORMAT", "xml")
    agent = start_agent("run", cloud.new_device(), "--once")
    assert agent.process.wait(timeout=30) == 2
    assert "use text or json (FLEET_LOG_FORMAT)" in agent.says()


def test_a_full_disk_is_sat_out_too(cloud, start_agent, eventually) -> None:
    folder = cloud.new_device()
    agent = start_agent("run", folder, "--sample-interval", "0.03", *FAST[2:])
    wal = folder / f"{SPOOL_FILE}-wal"
    eventually(lambda: wal.exists() and wal.stat().st_size > 200_000, "a log of some size")
    process = psutil.Process(agent.process.pid)
    soft, hard = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (100_000, hard))
    eventually(lambda: "free space on its disk" in agent.says(), "the disk is full")
    process.rlimit(psutil.RLIMIT_FSIZE, (soft, hard))
    eventually(lambda: "can be written again" in agent.says(), "the disk has room again")
    assert agent.stop() == 0
    assert counts(folder).pending == 0
    assert list(spooled(folder)) == list(range(1, counts(folder).sampled + 1))
    assert cloud.samples(folder.name) == spooled(folder)
    assert " 0 lost" not in agent.says().splitlines()[-1]


def test_told_to_wait_a_refused_agent_samples_until_it_is_let_in(cloud, start_agent, eventually) -> None:
    folder = cloud.new_device()
    certificate = cloud.config(folder)["certificate_id"]
    cloud.client("iot").update_certificate(certificateId=certificate, newStatus="INACTIVE")
    agent = start_agent("run", folder, *FAST, "--wait-when-refused", "--reconnect-max", "1")
    eventually(lambda: "activate its certificate" in agent.says(), "the refusal is logged")
    cloud.client("iot").update_certificate(certificateId=certificate, newStatus="ACTIVE")
    eventually(lambda: acknowledged(folder) >= 5, "samples acknowledged")
    assert agent.stop() == 0
    assert cloud.samples(folder.name) == spooled(folder)
