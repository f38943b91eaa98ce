"""Receiving goes on while a batch is stored; deletes come behind it; what takes long stays hidden from others."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import pytest

from fleet.adapters.aws.sqs import Queue
from fleet.adapters.aws.sqs_calls import Message
from fleet.adapters.aws.sqs_pace import Pace
from fleet.adapters.aws.sqs_stream import Stream
from fleet.errors import Refused, Unavailable
from tests.fleet.adapters.aws.sqs_endpoint import Answer, SqsEndpoint, refusal, sqs_endpoint

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def endpoint() -> Iterator[SqsEndpoint]:
    with sqs_endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def queue(endpoint: SqsEndpoint) -> Iterator[Queue]:
    with Queue(endpoint.settings(), "telemetry") as queue:
        queue.calls._calls._jitter = lambda: 0.0
        yield queue


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def test_everything_is_handed_out_once_and_deleted(endpoint: SqsEndpoint, queue: Queue) -> None:
    endpoint.put(*numbers(137))
    seen: list[bytes] = []
    with Stream(queue, 1.5, Pace(messages=50, wait_s=1)) as stream:
        for batch in stream.batches():
            seen += [message.body for message in batch]
            stream.delete(batch)
    assert sorted(int(each) for each in seen) == list(range(137))
    assert sorted(endpoint.deleted) == sorted(f"r{number + 1}" for number in range(137))


def test_a_backlog_comes_in_full_batches_and_what_waits_is_bounded(endpoint: SqsEndpoint, queue: Queue) -> None:
    endpoint.put(*numbers(400))
    pace = Pace(messages=50, wait_s=1, polls=4)
    with Stream(queue, 0.3, pace) as stream:
        batches = stream.batches()
        first = next(batches)
        # While the first one is being stored, the next one comes, and no more than that and the calls under way.
        wait_until(lambda: len(endpoint.waiting) <= 400 - 2 * pace.messages)
        assert len(endpoint.waiting) >= 400 - 2 * pace.messages - pace.polls * 10
        sizes = [len(first), *(len(batch) for batch in batches)]
    assert sizes[0] == 50
    assert max(sizes) == 50


def test_bodies_bound_a_batch_too(endpoint: SqsEndpoint, queue: Queue) -> None:
    endpoint.put(*["x" * 1_000] * 40)
    with Stream(queue, 1.5, Pace(messages=1_000, wait_s=1, body_bytes=10_000, polls=1)) as stream:
        sizes = [len(batch) for batch in stream.batches()]
    assert sum(sizes) == 40
    assert max(sizes) == 10


def test_a_lonely_message_is_handed_out_at_once(endpoint: SqsEndpoint, queue: Queue) -> None:
    with Stream(queue, 3, Pace(wait_s=1)) as stream:
        batches = stream.batches()
        threading.Timer(0.2, endpoint.put, ["late"]).start()
        begun = time.monotonic()
        assert [message.body for message in next(batches)] == [b"late"]
        assert time.monotonic() - begun < 2
        stream.delete([])


def test_nothing_is_deleted_before_it_is_asked_for(endpoint: SqsEndpoint, queue: Queue) -> None:
    endpoint.put(*numbers(5))
    with Stream(queue, 0.2, Pace(wait_s=1)) as stream:
        assert len(next(stream.batches())) == 5
    assert endpoint.deleted == []


def test_a_slow_batch_is_kept_hidden_from_others(endpoint: SqsEndpoint, queue: Queue) -> None:
    endpoint.visibility_timeout_s = 1
    endpoint.put(*numbers(12))
    with Stream(queue, 0.1, Pace(wait_s=1)) as stream:
        for batch in stream.batches():
            wait_until(lambda: endpoint.count("ChangeMessageVisibilityBatch") >= 3)
            stream.delete(batch)
    assert set(endpoint.hidden) <= {f"r{number}" for number in range(1, 13)}
    asked = next(body for name, _, body in endpoint.requests if name == "ChangeMessageVisibilityBatch")
    assert {entry["VisibilityTimeout"] for entry in asked["Entries"]} == {1}


def test_what_is_stored_in_time_is_not_prolonged(endpoint: SqsEndpoint, queue: Queue) -> None:
    endpoint.visibility_timeout_s = 1
    with Stream(queue, 1.2, Pace(wait_s=1, messages=10)) as stream:
        threading.Timer(0.25, endpoint.put, numbers(10)).start()  # just before it looks for the first time
        for batch in stream.batches():
            looked = time.monotonic() + 0.25
            wait_until(lambda until=looked: time.monotonic() > until)  # type: ignore[misc]
            stream.delete(batch)
    assert len(endpoint.deleted) == 10
    assert endpoint.hidden == []


class _Together:
    """A queue's calls: a full answer brings a second poll, both get nothing in the same moment, then more comes."""

    def __init__(self) -> None:
        self.asked, self._both = 0, asyncio.Event()

    async def receive(self, _: float) -> list[Message]:
        self.asked += 1
        if self.asked == 3:
            self._both.set()
        if self.asked in (2, 3):
            await self._both.wait()
            return []
        await asyncio.sleep(0.01)
        first = {1: 0, 4: 10}.get(self.asked)
        return [] if first is None else [Message(f"m{n}", f"r{n}", b"", NOON) for n in range(first, first + 10)]

    async def delete(self, _: Sequence[str]) -> int:
        return 0

    def close(self) -> None:
        pass


def test_polls_that_find_nothing_in_the_same_moment_do_not_all_end(queue: Queue) -> None:
    queue.calls = _Together()  # type: ignore[assignment]
    with Stream(queue, 0.5, Pace(wait_s=1)) as stream:
        received = [message.receipt for batch in stream.batches() for message in batch]
    assert len(received) == 20


def test_where_nobody_answers_the_rest_of_the_deletes_is_left_at_once(endpoint: SqsEndpoint, queue: Queue) -> None:
    endpoint.put(*numbers(300))
    endpoint.fail("DeleteMessageBatch", *[Answer(close=True)] * 1_000)
    with (
        pytest.raises(Unavailable, match="300 stored messages could not be deleted"),
        Stream(queue, 1.5, Pace(wait_s=1, polls=2)) as stream,
    ):
        for batch in stream.batches():
            stream.delete(batch)
    assert endpoint.count("DeleteMessageBatch") < 60, "three tries for each of thirty calls are ninety"


def test_deletes_that_fail_are_told_at_the_end(endpoint: SqsEndpoint, queue: Queue) -> None:
    endpoint.put(*numbers(3))
    endpoint.fail("DeleteMessageBatch", refusal(403, "AccessDeniedException"))
    with (
        pytest.raises(Unavailable, match="3 stored messages could not be deleted"),
        Stream(queue, 0.2, Pace(wait_s=1)) as stream,
    ):
        for batch in stream.batches():
            stream.delete(batch)


def test_a_refusal_ends_the_stream_in_one_sentence(endpoint: SqsEndpoint, queue: Queue) -> None:
    endpoint.fail("ReceiveMessage", refusal(403, "ExpiredTokenException"))
    with pytest.raises(Refused, match="ExpiredTokenException"), Stream(queue, 5, Pace(wait_s=1)) as stream:
        list(stream.batches())


def test_a_worker_that_fails_stops_receiving(endpoint: SqsEndpoint, queue: Queue) -> None:
    endpoint.put(*numbers(3))
    with pytest.raises(ZeroDivisionError), Stream(queue, 60, Pace(wait_s=20)) as stream:
        for _ in stream.batches():
            raise ZeroDivisionError
    assert endpoint.deleted == []


@pytest.mark.timeout(30)
def test_whoever_leaves_early_with_everything_full_is_not_kept_waiting(endpoint: SqsEndpoint, queue: Queue) -> None:
    endpoint.put(*numbers(400))
    pace = Pace(messages=50, wait_s=1, polls=4)
    began = time.monotonic()
    with Stream(queue, 60, pace) as stream:
        first = next(stream.batches())
        wait_until(lambda: len(endpoint.waiting) <= 400 - 2 * pace.messages)
        stream.delete(first)
    assert time.monotonic() - began < 10
    assert len(endpoint.deleted) == 50, "what nobody took comes again"
