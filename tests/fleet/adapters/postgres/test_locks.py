import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from threading import Thread, Timer

import pytest

from fleet.adapters.postgres.locks import is_waited_for, one_at_a_time, some_at_a_time
from fleet.settings import Settings

pytestmark = pytest.mark.integration


def test_work_is_one_runs_at_a_time(database: Settings) -> None:
    with one_at_a_time(database, "work") as mine, one_at_a_time(database, "work") as other:
        assert (mine, other) == (True, False)
    with one_at_a_time(database, "work") as again:
        assert again


def test_work_that_must_not_pause_is_handed_over(database: Settings) -> None:
    holder = one_at_a_time(database, "work")
    holder.__enter__()
    over = Timer(0.2, lambda: holder.__exit__(None, None, None))
    over.start()
    with one_at_a_time(database, "work", wait_s=10) as mine:
        assert mine
    over.join()


def test_a_wait_for_the_run_before_has_an_end(database: Settings) -> None:
    with one_at_a_time(database, "work"), one_at_a_time(database, "work", wait_s=0.1) as mine:
        assert not mine


def test_who_holds_work_sees_that_another_waits_for_it(database: Settings) -> None:
    seen: list[bool] = []

    def wait() -> None:
        with one_at_a_time(database, "work", wait_s=10) as mine:
            seen.append(mine)

    with one_at_a_time(database, "work"), one_at_a_time(database, "other work"):
        assert not is_waited_for(database, "work")
        waiter, deadline = Thread(target=wait), time.monotonic() + 10
        waiter.start()
        while not is_waited_for(database, "work"):
            assert time.monotonic() < deadline
        assert not is_waited_for(database, "other work")
    waiter.join()
    assert seen == [True]
    assert not is_waited_for(database, "work")


def test_as_many_runs_as_there_are_slots_hold_the_work_together(database: Settings) -> None:
    def run() -> AbstractContextManager[bool]:
        return some_at_a_time(database, "work", slots=2)

    with run() as first:
        with run() as second, run() as third:
            assert (first, second, third) == (True, True, False)
        with run() as next_one:
            assert next_one, "the slot of a run that ended is free"


def test_a_run_with_one_slot_sees_the_runs_with_several(database: Settings) -> None:
    with some_at_a_time(database, "work", slots=3) as mine, one_at_a_time(database, "work") as other:
        assert (mine, other) == (True, False)
    with one_at_a_time(database, "work") as lone, some_at_a_time(database, "work", slots=1) as other:
        assert (lone, other) == (True, False)


def test_a_run_that_waits_takes_the_slot_that_becomes_free(database: Settings) -> None:
    with ThreadPoolExecutor(1) as pool, some_at_a_time(database, "work", slots=2), ExitStack() as ends:
        assert ends.enter_context(some_at_a_time(database, "work", slots=2))

        def wait_for_a_slot() -> bool:
            with some_at_a_time(database, "work", slots=2, wait_s=20) as mine:
                return mine

        waiting = pool.submit(wait_for_a_slot)
        with some_at_a_time(database, "work", slots=2, wait_s=0.3) as impatient:
            assert not impatient
        ends.close()
        assert waiting.result(timeout=20)
