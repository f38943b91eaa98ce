"""What befalls a running fleet of 20: each sample of each spool is in the table once, each command was obeyed once."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fleet.adapters.postgres import Connection, connect
from tests.faults.running_fleet import BATTERIES, Fleet, eventually

pytestmark = pytest.mark.integration


def test_agents_are_killed_while_they_publish(fleet: Fleet) -> None:
    for seconds in (0.7, 1.3, 0.4):
        time.sleep(seconds)  # at no moment in particular
        fleet.kill_agents()
        fleet.start_agents()
        fleet.runs_until(len(fleet.stored()) + BATTERIES)
    fleet.ends_whole()


def test_a_worker_is_killed_between_receiving_and_committing(fleet: Fleet) -> None:
    with telemetry_held(fleet):
        fleet.worker.kill()
        fleet.worker.wait()
    fleet.start_worker()
    fleet.ends_whole()


def test_a_worker_is_killed_between_committing_and_deleting(fleet: Fleet) -> None:
    with telemetry_held(fleet):
        fleet.aws.cut()
        before = len(fleet.stored())
    eventually(lambda: len(fleet.stored()) > before, "the commit")
    fleet.worker.kill()
    fleet.worker.wait()
    fleet.aws.mend()
    fleet.start_worker()
    fleet.ends_whole()


def test_workers_are_killed_at_no_moment_in_particular(fleet: Fleet) -> None:
    for seconds in (1.4, 1.7, 2.1, 2.3):
        worker = fleet.start_worker()
        time.sleep(seconds)
        worker.kill()
        worker.wait()
    fleet.start_worker()
    fleet.ends_whole()


def test_two_workers_share_the_queue(fleet: Fleet) -> None:
    fleet.start_worker()
    fleet.runs_until(30 * BATTERIES)
    fleet.ends_whole()


def test_the_broker_is_out_of_reach_for_a_while(fleet: Fleet) -> None:
    fleet.broker.cut()
    before = len(fleet.taken())
    eventually(lambda: len(fleet.taken()) > before + 20 * BATTERIES, "what piles up")
    fleet.broker.mend()
    fleet.ends_whole()


def test_the_queue_is_cut_off_again_and_again(fleet: Fleet) -> None:
    """Answers are lost, of receiving and of deleting: messages come again, and commands are sent again."""
    for _ in range(8):
        time.sleep(0.4)
        fleet.aws.cut()
        time.sleep(0.3)
        fleet.aws.mend()
    fleet.ends_whole()


def test_the_databases_sessions_are_ended_again_and_again(fleet: Fleet) -> None:
    """In the middle of COPY, of a merge, of a commit."""
    for _ in range(15):
        time.sleep(0.3)
        with connect(fleet.settings) as connection:
            _end_other_sessions(connection)
    fleet.ends_whole()


def test_the_database_takes_nobody_for_a_while(fleet: Fleet) -> None:
    with connect(fleet.settings) as connection:
        connection.autocommit = True
        _let_in(connection, False)
        _end_other_sessions(connection)
        before = len(fleet.taken())
        eventually(lambda: len(fleet.taken()) > before + 20 * BATTERIES, "what is measured meanwhile")
        _let_in(connection, True)
    fleet.ends_whole()


def test_commands_survive_the_death_of_both_sides(fleet: Fleet) -> None:
    starts_at, ends_at = fleet.tell(starts_in_s=4.0, duration_s=5.0)
    eventually(lambda: fleet.states().get("pending", 0) == 0, "told to the broker")
    fleet.kill_agents()
    fleet.worker.kill()
    fleet.worker.wait()
    fleet.start_worker()
    fleet.start_agents()
    eventually(lambda: fleet.states() == {"done": BATTERIES}, "every command is done")
    fleet.obeyed_once(fleet.ends_whole(), starts_at, ends_at)


@contextmanager
def telemetry_held(fleet: Fleet) -> Iterator[None]:
    """Inside, the worker has received messages and waits for the table that they go to."""
    with connect(fleet.settings) as connection:
        connection.execute("LOCK TABLE fleet.telemetry_chunks IN SHARE MODE")
        waits = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'fleet.telemetry_chunks'::regclass"
        eventually(lambda: connection.execute(waits).fetchone() is not None, "a worker that waits")
        yield
        connection.rollback()


def _let_in(connection: Connection, allowed: bool) -> None:
    statement = "UPDATE pg_database SET datallowconn = %s WHERE datname = current_database()"
    connection.execute(statement, [allowed])


def _end_other_sessions(connection: Connection) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
