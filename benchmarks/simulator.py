"""What a thousand simulated batteries in one process take: memory, CPU and publishes a second. One JSON line.

Run it with `.venv/bin/python -m benchmarks.simulator [--devices 1000] [--rate 2300] [--seconds 30]`; two to four
minutes, most of which is making the identities.

It starts the AWS emulator, makes a thing with its own key and certificate for each battery, runs `device-agent
simulate` with a shared spool, and counts what arrives on the queue behind the topic rule: samples that came over
mutual TLS, at a sample a message. Everything shares this machine's cores, the emulator most of them: where the rate
falls short of what was asked and the simulator's core is not busy, the emulator is the limit.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil

from benchmarks.simulated_fleet import cloud
from fleet import devices
from fleet.adapters import aws
from fleet.adapters.aws.iot_core import IotCore
from fleet.devices import DeviceConfig, ThingName
from fleet.provisioning.steps import Factory
from fleet.services.factory import factory_of
from fleet.settings import Settings

MEMORY_LIMIT_MB, RATE_TARGET, ASKED_A_S = 400, 2_000, 2_300
MAKERS, PATIENCE_S, MB = 8, 180.0, 1e6


def make_identities(settings: Settings, count: int) -> None:
    """A thing, a key and a certificate for each, and the folder that the agent reads."""
    registry, made = IotCore(settings), factory_of(settings)
    names = [ThingName(f"battery-{number:04}") for number in range(1, count + 1)]
    with ThreadPoolExecutor(MAKERS) as pool:
        list(pool.map(make_identity, names, itertools.repeat(registry), itertools.repeat(made)))


def make_identity(name: ThingName, registry: IotCore, made: Factory) -> None:
    """One of them, without the ledger that real provisioning keeps."""
    folder = made.folder_of(name)
    folder.mkdir(parents=True)
    devices.write_private_key(folder / devices.KEY_FILE)
    certificate = registry.create_certificate(devices.certificate_request(folder / devices.KEY_FILE, name))
    registry.register(name, "home-13", certificate)
    config = DeviceConfig(
        name.value, certificate.certificate_id, made.endpoint, made.port, made.region,
        made.telemetry_topic(name.value), made.commands_topic(name.value),
    )  # fmt: skip
    (folder / devices.CERTIFICATE_FILE).write_text(certificate.pem)
    (folder / devices.CA_FILE).write_bytes(made.ca_pem)
    (folder / devices.COMMAND_KEY_FILE).write_bytes(made.command_key.pem)
    (folder / devices.DEVICE_FILE).write_bytes(msgspec.json.encode(config))


@dataclass
class Simulator:
    """A running `device-agent simulate`, watched from outside."""

    process: psutil.Popen
    log: Path

    def wait_until_connected(self, count: int) -> None:
        """Return once all are; fails after some minutes with what the simulator says."""
        deadline, wanted = time.monotonic() + PATIENCE_S, f"{count} of {count} connected"
        while wanted not in self.log.read_text():
            assert time.monotonic() < deadline, self.log.read_text()[-2000:]
            assert self.process.is_running(), self.log.read_text()[-2000:]
            time.sleep(0.5)

    def cpu_s(self) -> float:
        taken = self.process.cpu_times()
        return float(taken.user + taken.system)

    def memory_mb(self) -> float:
        return float(self.process.memory_info().rss / MB)


@contextmanager
def simulate(settings: Settings, home: Path, count: int, interval_s: float) -> Iterator[Simulator]:
    """One process with `count` batteries, each with a sample and a message each `interval_s`."""
    command = [
        sys.executable, "-m", "device_agent.main", "simulate", "--folders", str(settings.artifacts_dir),
        "--count", str(count), "--spool", str(home / "spool.sqlite3"), "--sample-interval", str(interval_s),
        "--publish-interval", str(interval_s), "--connects-per-s", "40", "--report-interval", "1",
    ]  # fmt: skip
    log = home / "simulator.log"
    with log.open("wb") as stream:
        process = psutil.Popen(command, stdin=subprocess.DEVNULL, stderr=stream)
    try:
        yield Simulator(process, log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except psutil.TimeoutExpired:
            process.kill()


def messages_on(client: Any, queue_url: str) -> int:
    """How many wait on the queue: nobody takes any."""
    answer = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def measure(settings: Settings, home: Path, count: int, rate: float, seconds: float) -> dict[str, float]:
    """Memory, CPU and messages a second of `count` connected batteries, over `seconds`."""
    client = aws.client(settings, "sqs")
    queue_url = client.get_queue_url(QueueName=settings.names.telemetry_queue)["QueueUrl"]
    with simulate(settings, home, count, count / rate) as simulator:
        simulator.wait_until_connected(count)
        began, before, cpu = time.monotonic(), messages_on(client, queue_url), simulator.cpu_s()
        memory = []
        while time.monotonic() < began + seconds:
            time.sleep(1)
            memory.append(simulator.memory_mb())
        arrived, cpu = messages_on(client, queue_url) - before, simulator.cpu_s() - cpu
        taken = time.monotonic() - began
    return {
        "publishes_per_s": round(arrived / taken),
        "memory_mb": round(max(memory), 1),
        "cores": round(cpu / taken, 2),
        "cpu_us_per_publish": round(cpu / arrived * 1e6),
    }


def main() -> None:
    """Measure, print the table and the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=1_000)
    parser.add_argument("--rate", type=float, default=ASKED_A_S, help="publishes a second in all")
    parser.add_argument("--seconds", type=float, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flip-fleet-benchmark-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        with cloud(home) as settings:
            start = time.monotonic()
            make_identities(settings, given.devices)
            made_s = time.monotonic() - start
            found = measure(settings, home, given.devices, given.rate, given.seconds)
    print(f"{given.devices:,} batteries in one process, identities made in {made_s:.0f} s")
    print(f"memory              {found['memory_mb']:>8} MB   target below {MEMORY_LIMIT_MB} MB")
    print(f"publishes a second  {found['publishes_per_s']:>8}      target {RATE_TARGET:,}, asked for {given.rate:,.0f}")
    print(f"the simulator's CPU {found['cores']:>8} cores, {found['cpu_us_per_publish']} us a publish")
    print(json.dumps({"benchmark": "simulator", "devices": given.devices, "asked_per_s": given.rate, **found}))


if __name__ == "__main__":
    main()
