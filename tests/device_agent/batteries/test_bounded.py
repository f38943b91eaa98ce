"""A call is waited for so long and no longer; one that hangs is left to itself, and said so at once."""

import threading
import time

import pytest

from device_agent.batteries.bounded import Bounded, NoAnswer


def test_what_is_returned_or_raised_in_time_comes_back() -> None:
    bounded = Bounded(5)
    assert bounded.call(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        bounded.call(lambda: 1 / 0)
    with pytest.raises(TimeoutError):
        bounded.call(_raise_a_timeout_of_its_own)
    assert bounded.call(lambda: 8) == 8


def _raise_a_timeout_of_its_own() -> None:
    raise TimeoutError("the socket's")


def test_a_driver_that_ends_the_program_ends_nothing() -> None:
    bounded = Bounded(5)
    with pytest.raises(RuntimeError, match="SystemExit"):
        bounded.call(lambda: exit(3))
    assert bounded.call(lambda: 7) == 7


def test_who_hangs_is_waited_for_once_and_heard_again_when_it_is_back() -> None:
    bounded, over = Bounded(0.1), threading.Event()
    with pytest.raises(NoAnswer, match=r"did not answer within 0\.1 s"):
        bounded.call(lambda: over.wait(30))
    begun = time.monotonic()
    for _ in range(100):
        with pytest.raises(NoAnswer, match="hangs, for 0 s now"):
            bounded.call(lambda: 7)
    assert time.monotonic() - begun < 0.1, "nobody waits a second time"
    over.set()
    answer = None
    while answer is None:
        try:
            answer = bounded.call(lambda: 7)
        except NoAnswer:
            assert time.monotonic() - begun < 5
    assert answer == 7


def test_calls_run_one_after_the_other_on_one_thread_that_is_not_the_callers() -> None:
    bounded = Bounded(5)
    threads = {bounded.call(threading.get_ident) for _ in range(10)}
    assert len(threads) == 1 and threading.get_ident() not in threads
