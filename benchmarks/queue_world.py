"""What the ingestion benchmark runs against: a local SQS and a PostgreSQL, each a process of its own, and the peers."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from pydantic import SecretStr

from benchmarks.processes import free_port
from fleet.adapters import aws
from fleet.adapters.aws.calls import AwsCalls, Service
from fleet.adapters.aws.http_connection import Endpoint
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.copy_chunks import CHUNK_COLUMNS
from fleet.adapters.postgres.copy_format import microseconds
from fleet.adapters.postgres.migrations import ensure_partitions, migrate
from fleet.adapters.postgres.samples import Prepared
from fleet.settings import Settings
from fleet.telemetry.archive import STORED_COLUMNS
from fleet.telemetry.message import QueueMessage, parse
from local_cloud import servers

PEERS = Path(__file__).parent / "peers"
QUEUE, DEVICES, BATCH = "flip-fleet-telemetry", 1_000, 2_000
_PEER_COLUMNS = [name for name in STORED_COLUMNS if name != "stored_at"]


@dataclass
class World:
    """The servers, and what each candidate needs to know of them."""

    settings: Settings
    node_modules: Path
    queue_url: str
    home: Path
    _sent: int = field(default=0)

    def empty(self) -> None:
        """No row stored and no message queued."""
        aws.client(self.settings, "sqs").purge_queue(QueueUrl=self.queue_url)
        with connect(self.settings) as connection:
            connection.execute(
                "TRUNCATE fleet.telemetry_rows, fleet.telemetry_chunks, fleet.telemetry_latest, fleet.telemetry_dirty,"
                " fleet.command_answers"
            )

    def send(self, messages: int, samples: int) -> None:
        """Put `messages` of `samples` each into the queue: a fleet of 1,000 that sends every 5 s, now."""
        first, self._sent = self._sent, self._sent + messages
        asyncio.run(send(self.calls(), self.queue_url, (body(first + n, samples) for n in range(messages))))

    def calls(self) -> AwsCalls:
        """SQS's calls for the publisher."""
        endpoint = Endpoint.of(self.settings.aws_endpoint_url, None)
        credentials = aws.credentials(self.settings)
        return AwsCalls(Service("sqs", "AmazonSQS", self.settings.aws_region, endpoint, credentials))

    def environment(self, messages: int, samples: int) -> dict[str, str]:
        """The environment of a candidate."""
        packed = self.home / f"rows-{samples}"
        if not packed.exists():
            parsed = [parse(body(number, samples).encode()) for number in range(BATCH)]
            accepted = [message for message in parsed if isinstance(message, QueueMessage)]
            packed.write_bytes(Prepared(accepted).rows.all(microseconds(datetime.now(UTC))))
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "NODE_NO_WARNINGS": "1",
            "AWS_ENDPOINT_URL": self.settings.aws_endpoint_url,
            "AWS_REGION": self.settings.aws_region,
            "AWS_DEFAULT_REGION": self.settings.aws_region,
            "AWS_ACCESS_KEY_ID": self.settings.aws_access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.settings.aws_secret_access_key.get_secret_value(),
            "DATABASE_URL": self.settings.require_database_url(),
            "BENCH_DATABASE": self.settings.require_database_url(),
            "BENCH_QUEUE": QUEUE,
            "BENCH_QUEUE_URL": self.queue_url,
            "BENCH_MESSAGES": str(messages),
            "BENCH_COLUMNS": ",".join(_PEER_COLUMNS),
            "BENCH_CHUNK_COLUMNS": ",".join(CHUNK_COLUMNS),
            "BENCH_PACKED_ROWS": str(packed),
            "BENCH_BATCHES": str(-(-messages // BATCH)),
        }

    def command(self, candidate: str, *options: str) -> list[str]:
        """How a candidate is started: a script of Node's, or a module of ours."""
        if candidate.endswith(".mjs"):
            return [_node(), str(self.node_modules / candidate)]
        return [sys.executable, "-m", f"benchmarks.peers.{candidate}", *options]


def body(number: int, samples: int) -> str:
    """A message as the topic rule delivers it."""
    thing, turn = f"battery-{number % DEVICES}", number // DEVICES
    first = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=turn * samples * 5)
    readings = {
        "battery_charge_power_w": 1503.25, "battery_discharge_power_w": 0.0, "battery_charged_energy_wh": 10533.7,
        "battery_discharged_energy_wh": 5044.1, "battery_stored_energy_wh": 6750.5,
        "battery_capacity_energy_wh": 13500.0, "state_of_charge_pct": 50.004, "backup_reserve_pct": 20.0,
        "grid_online": True, "home_power_w": 512.9, "home_energy_wh": 100433.2, "solar_power_w": 2016.1,
        "solar_energy_wh": 400231.9,
    }  # fmt: skip
    return json.dumps({
        "schema": 1, "boot_id": "boot-1", "last_command_sequence": 0, "command_results": [],
        "samples": [
            {
                "sequence": turn * samples + n + 1,
                "measured_at": (first + timedelta(seconds=5 * n)).isoformat(timespec="milliseconds")[:-6] + "Z",
                "mode": "SELF_CONSUMPTION", **readings,
            }
            for n in range(samples)
        ],
        "thing_name": thing, "received_at_ms": int(time.time() * 1000), "client_id": thing,
    })  # fmt: skip


async def send(calls: AwsCalls, url: str, bodies: Iterable[str]) -> None:
    """Ten a call, eight calls at a time."""
    left = iter(bodies)

    async def work() -> None:
        while chunk := list(islice(left, 10)):
            entries = [{"Id": str(n), "MessageBody": text} for n, text in enumerate(chunk)]
            answer = await calls.call("SendMessageBatch", msgspec.json.encode({"QueueUrl": url, "Entries": entries}))
            assert b'"Failed":[{' not in answer, answer

    await asyncio.gather(*(work() for _ in range(8)))
    calls.close()


@contextmanager
def queue_world(devices: int = DEVICES) -> Iterator[World]:
    """Start the servers, so many devices in the ledger; everything but the installed packages is gone afterwards."""
    node_modules = _installed()
    with tempfile.TemporaryDirectory(prefix="flip-fleet-benchmark-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        server, port = servers.postgres(home / "data"), free_port()
        log = (home / "endpoint.log").open("wb")
        endpoint = subprocess.Popen([_node(), str(node_modules / "endpoint.mjs"), str(port)], stdout=log, stderr=log)
        try:
            settings = Settings(
                aws_endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id="benchmark", aws_region="us-east-1",
                aws_secret_access_key=SecretStr("secret-of-the-benchmark"), database_url=SecretStr(server.url),
            )  # fmt: skip
            _await_port(port)
            url = aws.client(settings, "sqs").create_queue(QueueName=QUEUE)["QueueUrl"]
            _prepare_database(settings, devices)
            yield World(settings, node_modules, url, home)
        finally:
            endpoint.terminate()
            endpoint.wait(timeout=10)
            log.close()
            server.stop()


def _prepare_database(settings: Settings, devices: int) -> None:
    migrate(settings)
    with connect(settings) as connection:
        ensure_partitions(connection, datetime.now(UTC).date(), 7)
        connection.execute(
            "INSERT INTO fleet.devices (thing_name, model, key_on_device)"
            " SELECT 'battery-' || n, 'benchmark', false FROM generate_series(0, %s) AS n",
            [devices - 1],
        )
        connection.execute(
            "INSERT INTO fleet.certificates (certificate_id, thing_name)"
            " SELECT encode(sha256(n::text::bytea), 'hex'), 'battery-' || n FROM generate_series(0, %s) AS n",
            [devices - 1],
        )


def _node() -> str:
    found = shutil.which("node")
    if found is None:
        raise SystemExit("The ingestion benchmark compares with Node: install Node 20 or newer with npm.")
    return found


def _installed() -> Path:
    """The peers' folder, installed by npm where it is not, or is of other versions."""
    package = (PEERS / "package.json").read_bytes()
    folder = Path(".fleet/bench").resolve() / sha256(package).hexdigest()[:12]
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_bytes(package)
        npm = shutil.which("npm") or _node().replace("node", "npm")
        print("installing the peers with npm", file=sys.stderr)
        subprocess.run([npm, "install", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
        (folder / "installed").touch()
    for script in PEERS.glob("*.mjs"):  # beside node_modules, where Node looks for them
        shutil.copy(script, folder)
    return folder


def _await_port(port: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise SystemExit("The local SQS did not start: see its package, fauxqs.") from None
            time.sleep(0.1)


def figures(output: str) -> dict[str, Any]:
    """The last line that a candidate printed."""
    return dict(json.loads(output.strip().splitlines()[-1]))
