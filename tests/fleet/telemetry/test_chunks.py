"""Whatever a message has is in its chunks, to the digit, and each chunk fits a row."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fleet.telemetry.chunks import (
    LONGEST_MS,
    MOST_SAMPLES,
    NOT_READ,
    NUMBERS,
    SCALES,
    Chunk,
    Chunks,
    chunks_of,
    samples_of,
)
from fleet.telemetry.message import DeviceMessage, QueueMessage, encode, parse
from fleet.telemetry.sample import Mode, Sample
from tests.fleet.telemetry.test_blocks import KINDS
from tests.messages import NOON

steps = st.integers(-2_000, 40_000) | st.integers(0, 10) | st.integers(-(10**7), 10**7) | st.just(5_000)
widths = st.none() | st.floats(0, 9_000).map(lambda value: round(value, 1))
steady = st.fixed_dictionaries({"home_power_w": widths, "solar_power_w": widths, "mode": st.sampled_from(Mode)})
made = st.tuples(
    st.integers(0, 3_600_000),
    st.lists(st.tuples(steps, st.booleans(), steady | st.fixed_dictionaries(KINDS)), min_size=1, max_size=30),
)


def received(samples: list[Sample]) -> QueueMessage:
    sent = json.loads(encode(DeviceMessage(schema=1, boot_id="boot", one_by_one=samples)))
    message = parse(json.dumps({**sent, "thing_name": "battery-1", "received_at_ms": 7}).encode())
    assert type(message) is QueueMessage
    return message


def chunked(*messages: list[Sample]) -> Chunks:
    return chunks_of(samples_of([received(samples) for samples in messages]))


def written(chunks: Chunks, chunk: Chunk) -> list[Sample]:
    """The samples of a chunk's row, by what the table's comments say of it."""
    row = chunks.rows(chunk.samples, np.array([chunk.number]))
    found = []
    for number in range(chunk.samples):
        offset = number * int(row.step_ms[0]) + int(row.readings[0, number, 0])
        differences = row.readings[0, number, 1:].tolist()
        values = [
            None if difference == NOT_READ else (base + difference) / scale
            for base, difference, scale in zip(row.bases[0].tolist(), differences, SCALES.tolist(), strict=True)
        ]
        at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(row.first_ms[0]) + offset)
        said = {"mode": chunks.modes([chunk.number])[0], "grid_online": chunks.grids_online([chunk.number])[0]}
        readings = dict(zip(NUMBERS, values, strict=True))
        found.append(Sample(int(row.first_sequence[0]) + number, at, **said, **readings))  # type: ignore[arg-type]
    return found


@given(st.lists(made, min_size=1, max_size=3))
def test_the_samples_of_the_chunks_are_those_of_the_messages(several: list) -> None:
    sent = []
    for start_ms, steps_on in several:
        at, sequence, samples = NOON + timedelta(milliseconds=start_ms), 1, list[Sample]()
        for step_ms, skips, readings in steps_on:
            at, sequence = at + timedelta(milliseconds=step_ms), sequence + 1 + skips
            samples.append(Sample(sequence, at, **readings))
        sent.append(samples)
    chunks = chunked(*sent)
    ordered = chunks.in_order()
    assert [chunk.first_ms for chunk in ordered] == sorted(chunk.first_ms for chunk in ordered)
    as_sent = sorted(ordered, key=lambda chunk: chunk.number)
    assert [sample for chunk in as_sent for sample in written(chunks, chunk)] == [
        s for samples in sent for s in samples
    ]
    for chunk in ordered:
        row = written(chunks, chunk)
        times = [sample.measured_at.timestamp() * 1000 for sample in row]
        assert times == sorted(times) and times[-1] - times[0] <= LONGEST_MS and len(row) <= MOST_SAMPLES
        assert times[0] // 3_600_000 == times[-1] // 3_600_000
        assert (round(times[0]), round(times[-1])) == (chunk.first_ms, chunk.last_ms)
        assert (row[0].sequence, row[-1].sequence) == (chunk.first_sequence, chunk.last_sequence)


def counts(samples: list[Sample]) -> list[int]:
    return [chunk.samples for chunk in chunked(samples).in_order()]


def test_a_minute_of_a_battery_at_work_is_one_chunk() -> None:
    samples = [
        Sample(number, NOON + timedelta(seconds=5 * number), Mode.CHARGE, solar_power_w=3000 + 90.0 * number)
        for number in range(1, 12)
    ]
    assert counts(samples) == [11]


def test_a_power_that_leaps_further_than_16_bits_begins_another_chunk() -> None:
    watts = [0.0, 100.0, 6_500.0, 6_400.0, 13_000.0, 13_000.0]
    samples = [Sample(number, NOON + timedelta(seconds=number), home_power_w=w) for number, w in enumerate(watts, 1)]
    assert counts(samples) == [3, 1, 2]


def test_a_reading_that_comes_and_goes_stays_in_its_chunk() -> None:
    samples = [Sample(n, NOON + timedelta(seconds=n), solar_power_w=None if n % 2 else 5.0) for n in range(1, 9)]
    assert counts(samples) == [8]


def test_the_longest_message_is_taken_apart() -> None:
    modes = [Mode.CHARGE, Mode.BACKUP]
    samples = [Sample(n, NOON + timedelta(milliseconds=n), modes[n % 2], home_power_w=1) for n in range(1, 1001)]
    assert counts(samples) == [1] * 1000
    alike = [Sample(n, NOON + timedelta(milliseconds=n), Mode.CHARGE, home_power_w=1) for n in range(1, 1001)]
    assert counts(alike) == [250] * 4


def test_of_no_samples_there_are_no_chunks() -> None:
    assert chunks_of(samples_of([])).in_order() == []
