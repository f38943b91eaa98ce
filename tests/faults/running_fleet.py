"""A running fleet of 20 batteries whose every sample and command is counted at both ends, and what can befall it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from device_agent.spool_reader import SpoolReader
from fleet.adapters.postgres import connect, one
from fleet.adapters.postgres.commands import Commands
from fleet.devices import DEVICE_FILE
from fleet.settings import Settings
from fleet.telemetry.sample import Mode
from fleet.telemetry.sample import Sample as Reading
from tests.command_examples import told
from tests.device_agent.tcp_proxy import TcpProxy
from tests.flows.environment import environment_of

BATTERIES = 20
Sample = tuple[str, int, datetime]
"""Thing, sequence, and when it was measured: what a sample is known by."""


@dataclass
class Fleet:
    """Agents in one process, workers in processes of their own, each behind a cable of its own."""

    settings: Settings
    home: Path
    broker: TcpProxy
    aws: TcpProxy
    spool: Path
    agents: "subprocess.Popen[bytes]" = field(init=False)
    worker: "subprocess.Popen[bytes]" = field(init=False)
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def things(self) -> list[str]:
        return sorted(file.parent.name for file in self.settings.artifacts_dir.glob(f"*/{DEVICE_FILE}"))

    @property
    def environment(self) -> dict[str, str]:
        """What a process of this fleet has in its environment; it reaches AWS by the cable that may be cut."""
        return {
            **environment_of(self.settings),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.aws.port}",
            "FLEET_FLIP_BASE_URL": self.settings.flip_base_url,
            "FLEET_FLIP_TOKEN": self.settings.flip_token.get_secret_value(),
        }

    def start_agents(self, **environment: str) -> None:
        """Four samples a second each, sent each second; what was acknowledged stays in the spool to be counted."""
        options = ["--sample-interval", "0.25", "--publish-interval", "1", "--spool", str(self.spool)]
        options += ["--keep-acknowledged", "100000", "--reconnect-max", "2", "--acknowledgement-timeout", "5"]
        self.agents = self.start(
            "device_agent.main", "simulate", "--folders", str(self.settings.artifacts_dir), "--count", str(BATTERIES),
            "--connects-per-s", "100", *options, **environment,
        )  # fmt: skip

    def agents_say(self) -> str:
        """What they logged so far."""
        return (self.home / "device_agent.main.log").read_text()

    def worker_says(self) -> str:
        """What every worker so far logged."""
        return (self.home / "tests.faults.worker.log").read_text()

    def kill_agents(self) -> None:
        """No last words."""
        self.agents.kill()
        self.agents.wait()

    def end_agents(self) -> None:
        """In order: what a battery has under way it ends."""
        self.agents.terminate()
        assert self.agents.wait(timeout=40) == 0

    def start_worker(self, **environment: str) -> "subprocess.Popen[bytes]":
        self.worker = self.start("tests.faults.worker", **environment)
        return self.worker

    def start(self, *arguments: str, **more: str) -> "subprocess.Popen[bytes]":
        """A process of this fleet's; it ends with the test."""
        environment = {**os.environ, **self.environment, **more}
        with (self.home / f"{arguments[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments], env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def taken(self) -> dict[Sample, Reading]:
        """Every sample that any battery measured, by the spool."""
        found: dict[Sample, Reading] = {}
        for thing in self.things:
            with SpoolReader(self.spool, thing) as spool:
                for sequence, measured_at, body in spool.samples():
                    found[thing, sequence, measured_at] = msgspec.json.decode(body, type=Reading)
        return found

    def stored(self) -> list[Sample]:
        """Every row of the table."""
        with connect(self.settings) as connection:
            rows = connection.execute("SELECT thing_name, sequence, measured_at FROM fleet.telemetry").fetchall()
        return [(row["thing_name"], row["sequence"], row["measured_at"]) for row in rows]

    def newest_by_battery(self) -> dict[str, datetime]:
        """When the newest sample in the table was measured, by battery."""
        found: dict[str, datetime] = {}
        for name, _, at in self.stored():
            found[name] = max(at, found.get(name, at))
        return found

    def newest(self) -> datetime:
        """When what is in the table was measured last."""
        with connect(self.settings) as connection:
            row = one(connection.execute("SELECT max(measured_at) AS newest FROM fleet.telemetry"))
        return row["newest"] or datetime.min.replace(tzinfo=UTC)

    def runs_until(self, samples: int) -> None:
        """Return when so many are in the table."""
        eventually(lambda: len(self.stored()) >= samples, f"{samples} samples in the table")

    def ends_whole(self, besides: str = "") -> dict[Sample, Reading]:
        """Back by itself: what was measured by now arrives. Then, the agents stopped in order and what is on its way
        waited for, every sample of the spool is in the table, once."""
        # Each one of them, not as many: who is not connected yet ends with samples unsent, however many others sent.
        self.is_whole_so_far()
        self.end_agents()
        taken = self.taken()
        assert len(taken) > BATTERIES
        eventually(lambda: taken.keys() <= set(self.stored()), "everything in the table", within_s=90)
        stored = [one for one in self.stored() if one[0] != besides]
        assert len(stored) == len(set(stored)), "a sample is there twice"
        assert set(stored) == taken.keys()
        return taken

    def is_whole_so_far(self, within_s: float = 60.0) -> int:
        """What was measured by now, which arrives; how many samples. The agents go on."""
        taken = self.taken().keys()
        assert len(taken) > BATTERIES
        eventually(lambda: taken <= set(self.stored()), "everything that was measured in the table", within_s)
        stored = self.stored()
        assert len(stored) == len(set(stored)), "a sample is there twice"
        return len(taken)

    def tell(self, starts_in_s: float, duration_s: float, name: str = "cmd") -> tuple[datetime, datetime]:
        """A command for each battery, as Flip gives it; from when to when. Their ids begin with `name`."""
        starts_at = datetime.now(UTC) + timedelta(seconds=starts_in_s)
        ends_at, now = starts_at + timedelta(seconds=duration_s), datetime.now(UTC)
        with connect(self.settings) as connection:
            for thing in self.things:
                command = told(f"{name}_{thing}", thing, starts_at=starts_at, ends_at=ends_at, said=now)
                assert Commands(connection).receive(command, now, now) == "applied"
            connection.commit()
        return starts_at, ends_at

    def states(self) -> dict[str, int]:
        """How many commands of its batteries are in which state."""
        with connect(self.settings) as connection:
            rows = connection.execute(
                "SELECT state, count(*) AS number FROM fleet.commands WHERE thing_name = ANY(%s) GROUP BY state",
                [self.things],
            ).fetchall()
        return {row["state"]: row["number"] for row in rows}

    def obeyed_once(
        self,
        taken: dict[Sample, Reading],
        starts_at: datetime,
        ends_at: datetime,
        name: str = "cmd",
        fast_s: float = 0.0,
        within_s: float = 0.5,
    ) -> None:
        """Each battery did it, within its time and at no other, and said so once for each state.

        Samples bear the time of a clock that is fast by `fast_s` (negative: slow)."""
        begin = starts_at + timedelta(seconds=fast_s - within_s)
        end = ends_at + timedelta(seconds=fast_s + within_s)
        for thing in self.things:
            under = [at for (battery, _, at), one in taken.items() if battery == thing and one.mode is Mode.DISCHARGE]
            assert under, f"{thing} did not discharge"
            assert begin <= min(under) and max(under) <= end
        with connect(self.settings) as connection:
            steps = connection.execute(
                "SELECT command_id, to_state, count(*) AS times FROM fleet.command_transitions"
                " WHERE to_state IN ('running', 'done') AND starts_with(command_id, %s) GROUP BY command_id, to_state",
                [f"{name}_"],
            ).fetchall()
        assert {row["times"] for row in steps} == {1} and len(steps) == 2 * BATTERIES


def eventually(holds: Callable[[], bool], what: str, within_s: float = 60.0) -> None:
    """Return as soon as `holds()`; fail with `what` after `within_s`."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.1)
