"""What provisioning costs us: our own CPU a device, and a rerun over a finished fleet. A table and one JSON line.

Run it with `.venv/bin/python -m benchmarks.provisioning [--devices 500] [--finished 10000]`; about a minute.

The first figure is the CPU time, the kernel's for our files included, of `fleet.provisioning.steps` for new devices
(key, certificate request, artifact folder, every step of the ledger), with a registry in this process whose own CPU,
the signing of the certificate, is taken off; no network, no database. It is the median of five rounds on the disk, and
beside it one in memory: what is between them is the file system's. ext4 searches long for an inode where many files
were deleted in the last half minute, so let the machine rest before.

The second figure is the whole flow, as an operator starts it again over devices that are provisioned: a real Prefect
server, a ledger in PostgreSQL, artifact folders on the disk.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from fleet import devices, topics
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.migrations import migrate
from fleet.commands.signing import Signer, new_private_key
from fleet.devices import ThingName
from fleet.provisioning.orders import orders_from_count
from fleet.provisioning.steps import Certificate, Entry, Factory, Step, provision
from fleet.settings import Settings
from local_cloud import servers

LIMIT_MS, RERUN_LIMIT_S, PREFIX, ROUNDS = 3.0, 5.0, "battery", 5
MEMORY = Path("/dev/shm")  # noqa: S108


@dataclass
class LocalRegistry:
    """Signs certificates as IoT Core does, and knows how much CPU that took."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    cpu_s: float = 0.0

    def create_certificate(self, csr_pem: str) -> Certificate:
        start = time.process_time()
        request, now = x509.load_pem_x509_csr(csr_pem.encode()), datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(request.subject).issuer_name(request.subject)
        builder = builder.public_key(request.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
        pem = builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
        self.cpu_s += time.process_time() - start
        return Certificate("0" * 64, "arn:aws:iot:us-east-1:000000000000:cert/0", pem)

    def find_certificate(
        self, public_key_sha256: str, since: datetime, unknown: Callable[[list[str]], set[str]]
    ) -> Certificate | None:
        return None

    def certificate(self, certificate_id: str) -> Certificate:
        raise NotImplementedError("every device is new")

    def certificates_of(self, name: ThingName) -> list[str]:
        return []

    def register(self, name: ThingName, model: str, certificate: Certificate) -> None:
        """Thing, group, policy and attachment are AWS's."""

    def retire(self, name: ThingName, *certificate_ids: str) -> None:
        raise NotImplementedError("no device is retired")


class MemoryLedger:
    """The steps, without a database."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def entry(self, name: ThingName) -> Entry:
        return self._entries.setdefault(name.value, Entry(name.value, Step.PLANNED))

    def certificate_requested(self, name: ThingName, public_key_sha256: str) -> None:
        self._reached(name, Step.CERTIFICATE_REQUESTED)

    def certificate_created(self, name: ThingName, certificate: Certificate) -> None:
        self._reached(name, Step.CERTIFICATE_CREATED)

    def registered(self, name: ThingName) -> None:
        self._reached(name, Step.REGISTERED)

    def done(self, name: ThingName) -> None:
        self._reached(name, Step.DONE)

    def retiring(self, name: ThingName) -> None:
        self._reached(name, Step.RETIRING)

    def retired(self, name: ThingName) -> None:
        self._reached(name, Step.RETIRED)

    def certificates(self, name: ThingName) -> list[str]:
        return []

    def unanswered_request(self, name: ThingName) -> None:
        """No certificate is rotated."""

    def unknown_certificates(self, certificate_ids: list[str]) -> set[str]:
        return set(certificate_ids)

    def _reached(self, name: ThingName, step: Step) -> None:
        self._entries[name.value] = replace(self.entry(name), step=step)


def cpu_a_device_ms(count: int, folder: Path) -> float:
    """Milliseconds of our CPU a new device, without what AWS does."""
    orders, registry, ledger = orders_from_count(count, PREFIX, "home-13"), LocalRegistry(), MemoryLedger()
    factory = Factory(
        folder=folder,
        endpoint="example-ats.iot.us-east-1.amazonaws.com",
        port=8883,
        region="us-east-1",
        ca_pem=b"-----BEGIN CERTIFICATE-----\n" * 80,
        command_key=Signer(new_private_key()).public_key,
        telemetry_topic=lambda thing_name: topics.basic_ingest_topic("flip_fleet_telemetry", thing_name),
        commands_topic=topics.commands_topic,
    )
    start = time.process_time()
    for order in orders:
        provision(order, ledger, registry, factory)
    cpu_s = time.process_time() - start - registry.cpu_s
    assert all(factory.is_whole(order) for order in orders)
    return cpu_s / count * 1000


def cpu_in_memory_ms(count: int) -> float | None:
    """The same in a file system that is memory; None where there is none."""
    if not MEMORY.is_dir():
        return None
    with tempfile.TemporaryDirectory(prefix="flip-fleet-benchmark-", dir=MEMORY) as folder:
        return cpu_a_device_ms(count, Path(folder))


def finish(settings: Settings, count: int) -> None:
    """The ledger and the folders of `count` devices, as if all had been provisioned."""
    names = [order.thing_name.value for order in orders_from_count(count, PREFIX, "home-13")]
    with connect(settings) as connection:
        connection.execute(
            "INSERT INTO fleet.devices (thing_name, model, key_on_device, step, public_key_sha256, certificate_id,"
            " certificate_arn, certificate_requested_at, provisioned_at)"
            " SELECT name, 'home-13', false, 'done', md5(name), md5(name), 'arn:' || name, now(), now()"
            " FROM unnest(%s::text[]) AS name",
            [names],
        )
    for name in names:
        folder = settings.artifacts_dir / name
        folder.mkdir(parents=True)
        for file in (devices.DEVICE_FILE, devices.KEY_FILE, devices.CERTIFICATE_FILE, devices.CA_FILE):
            (folder / file).write_bytes(b"there\n")


@contextmanager
def finished_fleet(home: Path, count: int, api_port: int) -> Iterator[None]:
    """A database with a finished fleet and a Prefect server, as this process's settings."""
    server = servers.postgres(home / "data")
    try:
        settings = Settings(database_url=SecretStr(server.url), artifacts_dir=home / "devices")
        migrate(settings)
        finish(settings, count)
        (home / "ca.pem").write_text("an anchor\n")
        with servers.prefect(home / "prefect", api_port, server.url):
            os.environ |= {
                "PREFECT_API_URL": f"http://127.0.0.1:{api_port}/api",
                "PREFECT_HOME": str(home / "prefect"),
                "PREFECT_LOGGING_LEVEL": "ERROR",
                "DATABASE_URL": server.url,
                "FLEET_ARTIFACTS_DIR": str(settings.artifacts_dir),
                "FLEET_DATABASE_CONNECTIONS": "40",
                "FLEET_IOT_ENDPOINT": "localhost",
                "FLEET_IOT_CA_FILE": str(home / "ca.pem"),
                "FLEET_PROVISIONING_RATE_PER_S": "10",
                "AWS_ACCESS_KEY_ID": "unused",
                "AWS_SECRET_ACCESS_KEY": "unused",
            }
            yield
    finally:
        server.stop()


def rerun_s(count: int) -> float:
    """Seconds of the flow over a fleet that is finished; AWS is not asked."""
    from flows.provision_devices import provision_devices  # after the environment says which Prefect server

    start = time.perf_counter()
    summary = provision_devices(count=count, prefix=PREFIX)
    taken = time.perf_counter() - start
    assert summary == {"asked": count, "provisioned": 0, "failed": 0, "already provisioned": count}, summary
    return taken


def main() -> None:
    """Measure, print the table and the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--finished", type=int, default=10_000)
    parser.add_argument("--prefect-port", type=int, default=4290)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flip-fleet-benchmark-", ignore_cleanup_errors=True) as home:
        a_round = max(1, given.devices // ROUNDS)
        rounds = [cpu_a_device_ms(a_round, Path(home) / f"round-{number}") for number in range(ROUNDS)]
        cpu_ms, memory_ms = statistics.median(rounds), cpu_in_memory_ms(a_round)
        with finished_fleet(Path(home), given.finished, given.prefect_port):
            again_s = rerun_s(given.finished)
    print(f"key, CSR and files, our CPU a device   {cpu_ms:8.2f} ms   {_verdict(cpu_ms, LIMIT_MS)} ms")
    if memory_ms is not None:
        print(f"the same in memory, no disk            {memory_ms:8.2f} ms")
    print(f"a rerun over {given.finished:,} finished devices  {again_s:8.2f} s    {_verdict(again_s, RERUN_LIMIT_S)} s")
    line = {
        "benchmark": "provisioning",
        "devices": given.devices,
        "cpu_ms_per_device": round(cpu_ms, 3),
        "cpu_ms_in_memory": memory_ms and round(memory_ms, 3),
        "limit_ms": LIMIT_MS,
        "finished": given.finished,
        "rerun_s": round(again_s, 2),
        "rerun_limit_s": RERUN_LIMIT_S,
    }
    print(json.dumps(line))


def _verdict(value: float, limit: float) -> str:
    return f"{'met' if value < limit else 'missed'}: below {limit:g}"


if __name__ == "__main__":
    main()
