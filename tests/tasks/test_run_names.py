"""A run's name says what is done, to what and when."""

import importlib
import pkgutil
from datetime import UTC, datetime, timedelta, timezone

import pytest
from prefect import Task

import tasks
from tasks.run_names import clock, devices, short, span


@pytest.mark.parametrize(
    ("names", "called"),
    [
        ([], "no device"),
        (["garage-a"], "garage-a"),
        (["garage-b", "garage-z", "garage-a"], "garage-a..z (3)"),
        (["battery-0001", "battery-0200"], "battery-0001..0200 (2)"),
        (["cellar", "garage"], "cellar..garage (2)"),
        (["a-1", "a-1x"], "a-1..1x (2)"),
        (["a", "a-"], "a..a- (2)"),
    ],
)
def test_devices_are_named_by_the_first_the_last_and_how_many_they_are(names: list[str], called: str) -> None:
    assert devices(names) == called


def test_a_million_devices_are_named_without_a_list_of_them() -> None:
    assert span("battery-0001", "battery-1000000", 1_000_000) == "battery-0001..1000000 (1,000,000)"


def test_a_name_of_128_characters_is_cut_and_a_second_line_is_none() -> None:
    assert short("x" * 128) == f"{'x' * 39}…"
    assert short("two\nlines") == "two lines"


def test_times_are_utc_whatever_the_zone_that_they_come_in() -> None:
    there = datetime(2026, 11, 27, 23, 5, tzinfo=timezone(timedelta(hours=-2)))
    assert clock(there) == "01:05 UTC"


def test_runs_of_one_minute_are_told_apart() -> None:
    assert clock(datetime(2026, 11, 27, 16, 5, 30, tzinfo=UTC)) == "16:05:30 UTC"


def test_every_task_names_its_runs() -> None:
    modules = [importlib.import_module(f"tasks.{module.name}") for module in pkgutil.iter_modules(tasks.__path__)]
    of_ours = {one for module in modules for one in vars(module).values() if isinstance(one, Task)}
    assert len(of_ours) > 30
    assert not [one.name for one in of_ours if not one.task_run_name]
