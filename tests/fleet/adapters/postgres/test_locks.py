from threading import Timer

import pytest

from fleet.adapters.postgres.locks import one_at_a_time
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
