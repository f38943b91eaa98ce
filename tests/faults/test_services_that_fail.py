"""What a running fleet makes of an AWS and a PostgreSQL that fail: every sample in the table once, by itself."""

import json
import os
import shlex
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from pydantic import SecretStr

from fleet.adapters import aws
from fleet.adapters.postgres import Connection, connect
from fleet.adapters.postgres.migrations import migrate
from fleet.provisioning.orders import orders_from_names
from fleet.settings import Settings
from local_cloud import servers
from tests.at_other_times import library
from tests.faults.conftest import provision_all, running_fleet
from tests.faults.failing_aws import (
    EXPIRED,
    INTERNAL,
    THROTTLED,
    FailingAws,
    Fault,
    always,
    done_without_a_word,
    slow,
    sometimes,
    twice_and_in_any_order,
)
from tests.faults.running_fleet import BATTERIES, Fleet, eventually
from tests.faults.test_running_fleet import telemetry_held

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(sometimes(INTERNAL), id="500"),
        pytest.param(sometimes(THROTTLED), id="throttled"),
        pytest.param(done_without_a_word(), id="answers lost"),
        pytest.param(slow(1.5), id="slow"),
        pytest.param(twice_and_in_any_order(), id="twice and in any order"),
    ],
)
def test_a_queue_that_fails_now_and_then_costs_and_doubles_nothing(
    fleet: Fleet, failing_aws: FailingAws, fault: Fault
) -> None:
    with failing_aws.failing(fault):
        fleet.runs_until(len(fleet.taken()) + 20 * BATTERIES)
        assert failing_aws.met > 5
    fleet.ends_whole()


@pytest.mark.parametrize("answer", [INTERNAL, EXPIRED], ids=["down", "credentials that expired"])
def test_a_queue_that_takes_nobody_for_a_while_is_read_on_afterwards(
    fleet: Fleet, failing_aws: FailingAws, answer: object
) -> None:
    with failing_aws.failing(always(answer)):  # type: ignore[arg-type]
        before = len(fleet.taken())
        eventually(lambda: len(fleet.taken()) > before + 20 * BATTERIES, "what is measured meanwhile")
        assert failing_aws.failed > 0
    fleet.ends_whole()


def test_commands_come_once_through_answers_that_are_lost(fleet: Fleet, failing_aws: FailingAws) -> None:
    with failing_aws.failing(done_without_a_word(0.5)):
        starts_at, ends_at = fleet.tell(starts_in_s=8.0, duration_s=4.0)
        eventually(lambda: fleet.states() == {"done": BATTERIES}, "every command is done")
    fleet.obeyed_once(fleet.ends_whole(), starts_at, ends_at)


def test_a_broker_that_forgets_every_session_loses_no_command_and_no_sample(fleet: Fleet) -> None:
    """Subscriptions and what was on its way are gone, as after an expiry of the sessions."""
    starts_at, ends_at = fleet.tell(starts_in_s=6.0, duration_s=4.0)
    broker = aws.client(fleet.settings, "iot-data")
    for thing in fleet.things:
        broker.delete_connection(clientId=thing, cleanSession=True, preventWillMessage=True)
    eventually(lambda: fleet.states() == {"done": BATTERIES}, "every command is done")
    fleet.obeyed_once(fleet.ends_whole(), starts_at, ends_at)


class OwnPostgres:
    """A PostgreSQL of a test's own, which it may kill and start."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._first = servers.postgres(data)
        self._later: subprocess.Popen[bytes] | None = None
        self._pid, self.url = self._first.pid, self._first.url

    def kill(self) -> None:
        """At once, as by a power cut: what is committed is on the medium, nothing else is."""
        os.kill(self._pid, signal.SIGQUIT)
        eventually(lambda: not (self._data / "postmaster.pid").exists(), "its end")
        if self._later:
            self._later.wait()

    def start(self) -> None:
        """And return when it has read its log and takes connections."""
        command = shlex.split((self._data / "postmaster.opts").read_text())
        owner = self._data.stat().st_uid if os.geteuid() == 0 else None
        with (self._data.parent / "postgres.log").open("ab") as log:
            self._later = subprocess.Popen(
                command, user=owner, cwd=self._data, stdout=log, stderr=log, start_new_session=True
            )
        self._pid = self._later.pid
        eventually(self._answers, "its recovery")

    def end(self) -> None:
        if self._later:
            os.kill(self._pid, signal.SIGINT)
            self._later.wait()
        self._first.stop()

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that PostgreSQL's own user may enter, when the tests are root's."""
    with TemporaryDirectory(prefix="flip-fleet-faults-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def own_postgres(open_folder: Path) -> Iterator[OwnPostgres]:
    made = OwnPostgres(open_folder / "data")
    yield made
    made.end()


@pytest.fixture
def fleet_of_its_own(own_postgres: OwnPostgres, resources: Settings, tmp_path: Path) -> Iterator[Fleet]:
    """A fleet whose database is nobody else's."""
    changes = {"database_url": SecretStr(own_postgres.url), "artifacts_dir": tmp_path / "devices"}
    settings = resources.model_copy(update=changes)
    migrate(settings)
    with running_fleet(settings, tmp_path) as made:
        yield made


def test_a_database_that_is_gone_for_a_while_gets_everything_afterwards(
    fleet_of_its_own: Fleet, own_postgres: OwnPostgres
) -> None:
    fleet = fleet_of_its_own
    own_postgres.kill()
    before = len(fleet.taken())
    eventually(lambda: len(fleet.taken()) > before + 40 * BATTERIES, "what is measured meanwhile")
    own_postgres.start()
    fleet.ends_whole()


def test_a_database_that_dies_in_the_middle_of_storing_stores_it_again(
    fleet_of_its_own: Fleet, own_postgres: OwnPostgres
) -> None:
    fleet = fleet_of_its_own
    for _ in range(2):
        with ExitStack() as held:
            held.push(lambda *_: True)  # the lock goes with the server
            held.enter_context(telemetry_held(fleet))
            own_postgres.kill()
        own_postgres.start()
        fleet.runs_until(len(fleet.taken()))
    fleet.ends_whole()


def test_a_database_without_a_connection_left_is_waited_for(fleet_of_its_own: Fleet, own_postgres: OwnPostgres) -> None:
    fleet, taken = fleet_of_its_own, list[psycopg.Connection[object]]()
    with ExitStack() as theirs:
        while True:
            try:
                taken.append(theirs.enter_context(psycopg.connect(own_postgres.url, autocommit=True)))
            except psycopg.OperationalError:
                break
        mine = [each.info.backend_pid for each in taken]
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        while taken[0].execute(f"{others} AND pid <> ALL (%s)".encode(), [mine]).fetchone():
            with suppress(psycopg.OperationalError):  # theirs is ours now
                taken.append(theirs.enter_context(psycopg.connect(own_postgres.url, autocommit=True)))
                mine.append(taken[-1].info.backend_pid)
        before = len(fleet.taken())
        eventually(lambda: len(fleet.taken()) > before + 20 * BATTERIES, "what is measured meanwhile")
    assert len(taken) > 50
    fleet.ends_whole()


@contextmanager
def small_disk(at: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own; skipped where nobody may mount one."""
    at.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(at)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can be mounted by root alone")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Inside, not a byte more fits."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    yield
    filler.unlink()


def move_telemetry(connection: Connection, tablespace: str) -> None:
    """Every partition and its index."""
    leaves = "SELECT relid::text AS name FROM pg_partition_tree(%s) WHERE isleaf"
    for kind, root in (("TABLE", "fleet.telemetry_chunks"), ("INDEX", "fleet.telemetry_chunks_pkey")):
        for leaf in connection.execute(leaves, [root]).fetchall():
            connection.execute(f"ALTER {kind} {leaf['name']} SET TABLESPACE {tablespace}".encode())


def test_a_database_whose_disk_is_full_takes_everything_once_there_is_room(
    fleet_of_its_own: Fleet, open_folder: Path
) -> None:
    fleet, owner = fleet_of_its_own, (open_folder / "data").stat()
    with small_disk(open_folder / "tablespace", 16) as disk, connect(fleet.settings) as connection:
        os.chown(disk, owner.st_uid, owner.st_gid)
        connection.autocommit = True
        connection.execute(f"CREATE TABLESPACE small LOCATION '{disk}'".encode())
        move_telemetry(connection, "small")
        with full(disk):
            eventually(lambda: "No space left on device" in fleet.worker_says(), "PostgreSQL's word for it")
            before = len(fleet.taken())
            eventually(lambda: len(fleet.taken()) > before + 20 * BATTERIES, "what is measured meanwhile")
        fleet.ends_whole()
        move_telemetry(connection, "pg_default")
        connection.execute("DROP TABLESPACE small")


def test_agents_whose_disk_is_full_go_on_when_there_is_room(fleet_settings: Settings, tmp_path: Path) -> None:
    """What cannot be written down is not measured; what was is not lost."""
    with (
        small_disk(tmp_path / "spool-disk", 24) as disk,
        running_fleet(fleet_settings, tmp_path, disk / "spool") as fleet,
    ):
        with full(disk):
            eventually(lambda: "is full" in fleet.agents_say(), "a line of it")
            assert fleet.agents.poll() is None
        fleet.runs_until(len(fleet.stored()) + 10 * BATTERIES)
        fleet.ends_whole()


def test_a_battery_that_floods_holds_up_no_other(fleet: Fleet) -> None:
    """Hundreds of samples a second from one: the others' are there as soon as without it."""
    others = fleet.things
    name = f"flood-{others[0][4:]}"
    provision_all(fleet.settings, orders_from_names([name], "home-13"))
    flood = fleet.start(
        "device_agent.main", "run", str(fleet.settings.artifacts_dir / name), "--sample-interval", "0.002",
        "--publish-interval", "0.02", "--live-interval", "0.02", "--backlog-messages-per-s", "50",
    )  # fmt: skip
    eventually(lambda: name in fleet.newest_by_battery(), "the flood")
    for _ in range(5):
        before = fleet.newest_by_battery()
        eventually(
            lambda before=before: all(fleet.newest_by_battery()[each] > before[each] for each in others), "others", 10
        )
    flood.kill()
    flood.wait()
    counted = Counter(thing for thing, _, _ in fleet.stored())
    assert counted[name] > 5 * max(counted[each] for each in others), "it was a flood"
    sent = {one for one in fleet.taken() if one[0] in others}
    eventually(lambda: sent <= set(fleet.stored()), "everything of the others in the table")
    assert len(fleet.stored()) == len(set(fleet.stored()))


def test_clocks_a_day_ahead_then_put_right_then_slow_lose_and_double_nothing(fleet: Fleet) -> None:
    """And commands are obeyed at the true time: the cloud says what it is."""
    fleet.kill_agents()
    clock = fleet.home / "clock"
    clock.write_text("+1d")
    moved = {"LD_PRELOAD": library(), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
    fleet.start_agents(**moved, DONT_FAKE_MONOTONIC="1", NO_FAKE_STAT="1")
    noon = datetime.now(UTC) + timedelta(hours=12)
    eventually(lambda: min(fleet.newest_by_battery().values()) > noon, "samples of tomorrow")
    early = fleet.tell(starts_in_s=3.0, duration_s=3.0, name="early")
    eventually(lambda: fleet.states() == {"done": BATTERIES}, "every command is done")
    for offset in ("+0", "-600"):
        clock.write_text(offset)
        fleet.runs_until(len(fleet.taken()) + 8 * BATTERIES)
    late = fleet.tell(starts_in_s=3.0, duration_s=3.0, name="late")
    eventually(lambda: fleet.states() == {"done": 2 * BATTERIES}, "every command is done")
    taken = fleet.ends_whole()
    of_tomorrow = {one: read for one, read in taken.items() if one[2] > noon}
    fleet.obeyed_once(of_tomorrow, *early, "early", fast_s=86_400, within_s=2.0)
    others = {one: read for one, read in taken.items() if one not in of_tomorrow}
    fleet.obeyed_once(others, *late, "late", fast_s=-600, within_s=2.0)


def test_a_backlog_of_200_000_samples_is_worked_off_beside_what_comes(fleet: Fleet) -> None:
    name = f"backlog-{fleet.things[0][4:]}"
    provision_all(fleet.settings, orders_from_names([name], "home-13"))
    fleet.worker.kill()
    fleet.worker.wait()
    sqs, begin = aws.client(fleet.settings, "sqs"), datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    url = sqs.get_queue_url(QueueName=fleet.settings.names.telemetry_queue)["QueueUrl"]
    bodies = (_message(name, begin, 50 * number) for number in range(4_000))
    while chunk := list(islice(bodies, 10)):
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(chunk)]
        assert not sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed")
    fleet.start_worker()
    eventually(lambda: Counter(thing for thing, _, _ in fleet.stored())[name] == 200_000, "all of it", within_s=120)
    fleet.ends_whole(besides=name)


def _message(name: str, begin: datetime, first: int) -> str:
    """Fifty samples from the `first` on, four a second."""
    block = {
        "first_sequence": first + 1, "first_measured_at": (begin + first * timedelta(seconds=0.25)).isoformat(),
        "after_ms": [250 * number for number in range(50)], "mode": "STANDBY", "home_power_w": 400.5,
    }  # fmt: skip
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    return json.dumps({"schema": 2, "boot_id": "b", "blocks": [block], "thing_name": name, "received_at_ms": now_ms})
