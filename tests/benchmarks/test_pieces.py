"""Whatever a message has is in its pieces, to the digit, and each piece fits a row."""

import json
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.blocks.pieces import LONGEST_MS, NUMBERS, SCALES, Piece, pieces_of, value_at
from fleet.telemetry.blocks import MAX_SAMPLES
from fleet.telemetry.message import DeviceMessage, QueueMessage, encode, parse
from fleet.telemetry.sample import Mode, Sample
from tests.fleet.telemetry.test_blocks import KINDS
from tests.messages import NOON

steps = st.integers(-2_000, 40_000) | st.integers(0, 10) | st.integers(-(10**7), 10**7) | st.just(5_000)
widths = st.none() | st.floats(0, 9_000).map(lambda value: round(value, 1))
steady = st.fixed_dictionaries({"home_power_w": widths, "solar_power_w": widths, "mode": st.sampled_from(Mode)})
messages = st.tuples(
    st.integers(0, 3_600_000),
    st.lists(st.tuples(steps, st.booleans(), steady | st.fixed_dictionaries(KINDS)), min_size=1, max_size=30),
)


def received(samples: list[Sample]) -> QueueMessage:
    sent = json.loads(encode(DeviceMessage(schema=1, boot_id="boot", one_by_one=samples)))
    message = parse(json.dumps({**sent, "thing_name": "battery-1", "received_at_ms": 7}).encode())
    assert type(message) is QueueMessage
    return message


def samples_of(piece: Piece) -> list[Sample]:
    found = []
    for number in range(piece.samples):
        values = [value_at(column, number) for column in piece.columns]
        readings = {
            name: None if value is None else value / scale
            for name, scale, value in zip(NUMBERS, SCALES, values, strict=True)
        }
        at = NOON.fromtimestamp(0, NOON.tzinfo) + timedelta(milliseconds=piece.first_ms + piece.offset_ms(number))
        found.append(
            Sample(piece.first_sequence + number, at, mode=piece.mode, grid_online=piece.grid_online, **readings)
        )
    return found


@given(messages)
def test_the_samples_of_the_pieces_are_those_of_the_message(made: tuple[int, list[tuple[int, bool, dict]]]) -> None:
    at, sequence, samples = NOON + timedelta(milliseconds=made[0]), 1, list[Sample]()
    for step_ms, skips, readings in made[1]:
        at, sequence = at + timedelta(milliseconds=step_ms), sequence + 1 + skips
        samples.append(Sample(sequence, at, **readings))
    pieces = list(pieces_of(received(samples)))
    assert [sample for piece in pieces for sample in samples_of(piece)] == samples
    for piece in pieces:
        times = [piece.first_ms + piece.offset_ms(number) for number in range(piece.samples)]
        assert times == sorted(times) and times[-1] - times[0] <= LONGEST_MS
        assert times[0] // 3_600_000 == times[-1] // 3_600_000
        assert (piece.last_ms, piece.last_sequence) == (times[-1], piece.first_sequence + piece.samples - 1)
        for each in [piece.jitter_ms, *(column[1] for column in piece.columns if column)]:
            if each is not None:
                known = [value for value in each if value is not None]
                assert len(each) == piece.samples and known
                assert all(abs(value) < 2**15 for value in known)


def test_a_minute_of_a_battery_at_work_is_one_piece() -> None:
    samples = [
        Sample(number, NOON + timedelta(seconds=5 * number), Mode.CHARGE, solar_power_w=3000 + 90.0 * number)
        for number in range(12)
        if number
    ]
    (piece,) = pieces_of(received(samples))
    assert (piece.samples, piece.step_ms, piece.jitter_ms) == (11, 5_000, None)


def test_a_power_that_leaps_further_than_16_bits_begins_another_piece() -> None:
    watts = [0.0, 100.0, 3_400.0, 3_500.0, 9_000.0]
    samples = [
        Sample(number, NOON + timedelta(seconds=number), home_power_w=each) for number, each in enumerate(watts, 1)
    ]
    assert [piece.samples for piece in pieces_of(received(samples))] == [2, 2, 1]


def test_the_longest_message_is_taken_apart_in_no_time() -> None:
    samples = [
        Sample(
            number, NOON + timedelta(milliseconds=number), Mode.CHARGE if number % 2 else Mode.BACKUP, home_power_w=1
        )
        for number in range(1, MAX_SAMPLES + 1)
    ]
    assert len(list(pieces_of(received(samples)))) == MAX_SAMPLES
