"""Sending to batteries and telling Flip hold each other up in nothing."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from fleet.services.dispatch import Dispatched
from flows.dispatch_commands import problem_of, side_by_side


class Begun:
    """A task's run in a thread, as a flow sees it."""

    def __init__(self, future: "Future[Any]") -> None:
        self._future = future
        self.state = self

    def is_final(self) -> bool:
        return self._future.done()

    def wait(self, timeout: float) -> None:
        wait([self._future], timeout)

    def result(self, raise_on_failure: bool) -> Any:
        return self._future.exception() or self._future.result()


def test_a_flip_that_hangs_holds_up_no_battery_and_is_asked_again_when_it_has_answered() -> None:
    hangs, sent_at, told = threading.Event(), list[float](), list[float]()

    def send(seconds: float) -> str:
        sent_at.append(time.monotonic())
        if len(sent_at) == 3:
            hangs.set()
        return "sent"

    def tell(seconds: float) -> str:
        told.append(seconds)
        hangs.wait(20)
        return "told"

    with ThreadPoolExecutor(2) as pool:
        began = time.monotonic()
        results, telling = side_by_side(
            [1.0, 2.0, 3.0, 4.0],
            lambda seconds: Begun(pool.submit(send, seconds)),  # type: ignore[arg-type,return-value]
            lambda seconds: Begun(pool.submit(tell, seconds)),  # type: ignore[arg-type,return-value]
        )
        assert time.monotonic() - began < 5, "sending waited for telling"
        assert results == ["sent"] * 4
        assert told == [1.0, 4.0], "one slice of telling at a time"
        assert [one.result(raise_on_failure=False) for one in telling] == ["told"] * 2


def test_what_failed_is_told_and_ends_nothing() -> None:
    def fail(seconds: float) -> None:
        raise RuntimeError(f"slice {seconds:g}")

    with ThreadPoolExecutor(2) as pool:
        results, telling = side_by_side(
            [1.0, 2.0],
            lambda seconds: Begun(pool.submit(fail, seconds)),  # type: ignore[arg-type,return-value]
            lambda seconds: Begun(pool.submit(str, seconds)),  # type: ignore[arg-type,return-value]
        )
    assert [str(one) for one in results] == ["slice 1", "slice 2"]
    assert [one.result(raise_on_failure=False) for one in telling] == ["1.0", "2.0"]


def test_a_run_of_which_iot_core_took_nothing_is_no_success() -> None:
    assert "took none of 3" in problem_of(Dispatched(refused=3), [])
    assert problem_of(Dispatched(messages=1, refused=3), []) == problem_of(Dispatched(), []) == ""
    assert problem_of(Dispatched(messages=1), ["It broke.", "Again."]) == "It broke. (slices that failed: 2)"
