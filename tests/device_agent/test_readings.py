"""What inverters really say: noise is put right, what is no reading is left out, and the agent goes on."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agent.agent import Pace
from device_agent.batteries.contract import Control
from device_agent.readings import Readings, without_noise
from fleet.telemetry.blocks import blocks_of
from fleet.telemetry.message import DeviceMessage, encode
from fleet.telemetry.sample import READINGS, Mode, Sample
from tests.device_agent.bench import Bench, order
from tests.messages import NOON, sample

MINUTE = 60.0
GOOD = Sample(**{**sample(), "measured_at": NOON, "mode": Mode.CHARGE})


def with_(**changes: Any) -> Sample:
    return msgspec.structs.replace(GOOD, **changes)


@pytest.mark.parametrize(
    ("says", "is_told"),
    [
        ({"solar_power_w": -1.2}, {"solar_power_w": 0.0}),
        ({"home_power_w": -50.0}, {"home_power_w": 0.0}),
        ({"state_of_charge_pct": 100.4}, {"state_of_charge_pct": 100.0}),
        ({"state_of_charge_pct": -0.3}, {"state_of_charge_pct": 0.0}),
        ({"backup_reserve_pct": 100.1, "solar_power_w": -0.1}, {"backup_reserve_pct": 100.0, "solar_power_w": 0.0}),
        ({}, {}),
    ],
)
def test_noise_is_put_right(says: dict[str, Any], is_told: dict[str, Any]) -> None:
    readings = Readings("battery-1")
    assert readings.take(lambda _: with_(**says), 1) == with_(**is_told)
    assert (readings.put_right, readings.left_out) == (int(bool(says)), 0)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("solar_power_w", -51.0), ("state_of_charge_pct", 103.0), ("battery_charged_energy_wh", -1.0),
        ("solar_energy_wh", math.nan), ("home_power_w", math.inf), ("mode", "PARTY"), ("mode", "CHARGE"),
        ("state_of_charge_pct", "full"), ("grid_online", 3), ("battery_stored_energy_wh", 1e16), ("home_power_w", True),
    ],
)  # fmt: skip
def test_what_is_no_reading_is_left_out_alone_and_said_once(
    name: str, says: Any, caplog: pytest.LogCaptureFixture
) -> None:
    readings = Readings("battery-1")
    for _ in range(3):
        assert readings.take(lambda _: with_(**{name: says}), 1) == with_(**{name: None})
    assert (readings.put_right, readings.left_out) == (0, 3)
    assert [name in record.message for record in caplog.records] == [True]


def test_what_a_battery_does_not_have_is_nothing_that_was_left_out(caplog: pytest.LogCaptureFixture) -> None:
    readings, without_sun = Readings("battery-1"), with_(solar_power_w=None, solar_energy_wh=None)
    assert readings.take(lambda _: without_sun, 1) == without_sun
    assert (readings.left_out, caplog.records) == (0, [])
    assert b"solar" not in encode(DeviceMessage(boot_id="boot", blocks=blocks_of([without_sun])))


@pytest.mark.parametrize(
    "says",
    [
        {"measured_at": "noon"}, {"sequence": 0}, {"measured_at": NOON.replace(tzinfo=None)},
        dict.fromkeys(READINGS), dict.fromkeys(READINGS, math.nan),
    ],
)  # fmt: skip
def test_a_sample_without_a_name_or_any_reading_is_none(says: dict[str, Any]) -> None:
    assert Readings("battery-1").take(lambda _: with_(**says), 1) is None


def test_a_driver_that_fails_is_no_reading() -> None:
    def read(_: int) -> Sample:
        raise RuntimeError("the bus does not answer")

    assert Readings("battery-1").take(read, 1) is None


anything = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.just([])


@given(st.dictionaries(st.sampled_from(Sample.__struct_fields__), anything, max_size=3))
def test_whatever_a_battery_says_what_is_told_is_what_the_cloud_takes(says: dict[str, Any]) -> None:
    taken = Readings("battery-1").take(lambda _: with_(**says), 1)
    if taken is not None:
        sent = encode(DeviceMessage(boot_id="boot", blocks=blocks_of([taken])))
        assert msgspec.json.decode(sent, type=DeviceMessage).samples == [taken]


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.parametrize("says", [None, math.nan])
def test_every_reading_may_be_missing(name: str, says: float | None) -> None:
    assert Readings("battery-1").take(lambda _: with_(**{name: says}), 1) == with_(**{name: None})
    assert without_noise(GOOD) is GOOD


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "spool.sqlite3", Pace(5, 60))
    made.connect()
    made.acknowledge()
    yield made
    made.file.close()


@pytest.mark.parametrize(
    ("nonsense", "samples"),
    [({"solar_power_w": math.nan}, range(100, 130)), (dict.fromkeys(READINGS, "none"), range(30, 60))],
    ids=["a reading", "the whole sample"],
)
def test_an_agent_whose_battery_says_nonsense_goes_on_sampling_and_obeying(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, nonsense: dict[str, Any], samples: range
) -> None:
    read, said = bench.driver.read, iter(range(10_000))
    monkeypatch.setattr(bench.driver, "read", lambda: read() | (nonsense if next(said) % 3 else {}))
    bench.tell(order(bench, 10, 5 * MINUTE))
    bench.run(10 * MINUTE)
    assert bench.statuses() == [(1, "RUNNING"), (1, "DONE")]
    sequences = [one.sequence for one in bench.samples()]
    assert sequences == list(range(1, len(sequences) + 1)), "a sample that is left out takes no number"
    assert len(sequences) in samples
    assert bench.agent.readings.left_out > 60


def test_a_battery_that_does_not_take_a_command_fails_it_and_the_agent_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Control) -> None:
        raise OSError("illegal data value")

    monkeypatch.setattr(bench.driver, "obey", refuse)
    bench.tell(order(bench, 10, 5 * MINUTE))
    bench.run(10 * MINUTE)
    (answer,) = bench.answers()
    assert (answer.status, "illegal data value" in answer.reason) == ("FAILED", True)
    assert len(bench.samples()) > 100


def test_what_earlier_software_left_in_the_spool_and_nobody_can_read_stops_nothing(bench: Bench) -> None:
    bench.run(30, online=False)
    bench.file.write("UPDATE outbox SET body = ? WHERE sequence = 3", b'{"sequence": 3, "solar_power_w": null}')
    bench.file.commit()
    bench.crash()
    bench.connect()
    bench.acknowledge()
    bench.run(2 * MINUTE)
    sequences = [one.sequence for one in bench.samples()]
    assert 3 not in sequences and {2, 4} <= set(sequences)
    assert bench.file.read("SELECT sequence FROM acknowledged") == [(3,)], "it is kept"
