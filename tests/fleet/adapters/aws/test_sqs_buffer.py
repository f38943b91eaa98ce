"""What the storing thread and the event loop share: nothing is lost, doubled or taken early, and nobody sleeps on."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from fleet.adapters.aws.sqs_buffer import Backlog, Buffer
from fleet.adapters.aws.sqs_calls import Message
from fleet.adapters.aws.sqs_pace import Pace

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def messages(*numbers: int, body: bytes = b"") -> list[Message]:
    return [Message(f"m{number}", f"r{number}", body, NOON) for number in numbers]


def receipts(batch: Sequence[Message]) -> list[str]:
    return [message.receipt for message in batch]


def still_waits(call: Callable[[], object]) -> threading.Thread:
    """Runs `call` in a thread that is seen waiting in it."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    return thread


def ends(thread: threading.Thread) -> bool:
    thread.join(5)
    return not thread.is_alive()


def test_all_that_one_thread_puts_another_takes_once_and_in_order() -> None:
    buffer, total = Buffer(Pace(messages=7, gather_s=0.001)), 5_000
    taken: list[str] = []

    def put() -> None:
        for first in range(0, total, 10):
            buffer.put(messages(*range(first, first + 10)), drained=first % 90 == 0)
        buffer.end()

    thread = threading.Thread(target=put)
    thread.start()
    while batch := buffer.take():
        assert len(batch) <= 7
        taken += receipts(batch)
    thread.join()
    assert taken == [f"r{number}" for number in range(total)]


def test_a_drained_queue_hands_out_at_once() -> None:
    buffer = Buffer(Pace(gather_s=60))
    buffer.put(messages(1), drained=True)
    assert receipts(buffer.take()) == ["r1"]


def test_a_backlog_is_gathered_until_it_is_full() -> None:
    buffer = Buffer(Pace(messages=4, gather_s=60))
    buffer.put(messages(1, 2, 3), drained=False)
    taker = still_waits(buffer.take)
    assert not buffer.put(messages(4, 5), drained=False)
    assert ends(taker)
    assert buffer.held()[1] == ["r1", "r2", "r3", "r4", "r5"]


def test_a_backlog_is_gathered_for_so_long_at_most() -> None:
    buffer = Buffer(Pace(messages=4, gather_s=0.2))
    buffer.put(messages(1), drained=False)
    begun = time.monotonic()
    assert receipts(buffer.take()) == ["r1"]
    assert time.monotonic() - begun < 5


def test_there_is_room_until_messages_or_bytes_fill_it() -> None:
    assert Buffer(Pace(messages=3)).put(messages(1, 2), drained=False)
    assert not Buffer(Pace(messages=3)).put(messages(1, 2, 3), drained=False)
    buffer = Buffer(Pace(body_bytes=10))
    assert buffer.put(messages(1, body=b"x" * 9), drained=False)
    assert not buffer.put(messages(2, 3, body=b"x"), drained=False)
    assert receipts(buffer.take()) == ["r1", "r2"]
    assert buffer.put([], drained=True)


def test_what_was_taken_is_in_hand_until_it_is_stored() -> None:
    buffer = Buffer(Pace())
    buffer.put(messages(1), drained=True)
    batch = buffer.take()
    buffer.put(messages(2), drained=True)
    assert buffer.held() == (batch, ["r1", "r2"])
    assert buffer.is_in_hand(batch)
    buffer.stored()
    assert not buffer.is_in_hand(batch)
    assert buffer.held()[1] == ["r2"]


def test_after_the_end_what_waits_is_handed_out_and_then_nothing() -> None:
    buffer = Buffer(Pace(gather_s=60))
    buffer.put(messages(1), drained=False)
    buffer.end()
    assert receipts(buffer.take()) == ["r1"]
    assert buffer.take() == []


def test_a_failure_is_raised_after_what_waits_and_the_first_one_counts() -> None:
    buffer = Buffer(Pace())
    buffer.put(messages(1), drained=True)
    buffer.fail(ZeroDivisionError())
    buffer.fail(KeyError())
    assert receipts(buffer.take()) == ["r1"]
    with pytest.raises(ZeroDivisionError):
        buffer.take()


@pytest.mark.parametrize("wake", [Buffer.end, lambda buffer: buffer.fail(KeyError())])
def test_who_waits_for_a_batch_is_woken_at_the_end(wake: Callable[[Buffer], None]) -> None:
    buffer = Buffer(Pace())

    def take() -> None:
        try:
            buffer.take()
        except KeyError:
            return

    taker = still_waits(take)
    wake(buffer)
    assert ends(taker)


def test_a_backlog_of_deletes_is_waited_for_until_it_fell_to_its_limit() -> None:
    backlog = Backlog(2)
    backlog.add(2)
    backlog.wait()
    backlog.add(3)
    waiter = still_waits(backlog.wait)
    backlog.subtract(1)
    waiter.join(0.05)
    assert waiter.is_alive()
    backlog.subtract(2)
    assert ends(waiter)
