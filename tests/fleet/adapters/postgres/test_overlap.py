"""Two workers that were given the same messages store them once, and neither is stopped by the other."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from fleet.adapters.postgres import connect
from fleet.adapters.postgres.telemetry import Received, Stored, store
from fleet.settings import Settings
from fleet.telemetry.message import parse
from tests.messages import NOON, body, sample

DEVICES = [f"battery-{number}" for number in range(20)]


def test_overlapping_stores_in_opposite_order_do_not_deadlock(database: Settings) -> None:
    with connect(database) as connection:
        connection.execute(
            "INSERT INTO fleet.devices (thing_name, model, key_on_device) SELECT name, '', false"
            " FROM unnest(%s::text[]) AS name",
            [DEVICES],
        )

    def put(backwards: bool, round_: int) -> Stored:
        names = reversed(DEVICES) if backwards else DEVICES
        start = NOON + timedelta(minutes=round_)
        numbers = range(30, 0, -1) if backwards else range(1, 31)
        samples = [sample(round_ * 100 + n, start + timedelta(seconds=n)) for n in numbers]
        texts = [*(body(name, samples) for name in names), b"noise", b"more noise"]
        received = [Received(f"{text[:40]!r}{round_}", text, NOON) for text in texts]
        with connect(database) as connection:
            return store(connection, [(each, parse(each.body)) for each in received])

    with ThreadPoolExecutor(2) as pool:
        for round_ in range(8):
            one, other = pool.submit(put, False, round_), pool.submit(put, True, round_)
            assert one.result().samples + other.result().samples == len(DEVICES) * 30
