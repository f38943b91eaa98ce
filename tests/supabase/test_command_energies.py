"""What was asked of a battery and what it delivered, over the same time: the cases, and what must never be."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.adapters.postgres import connect
from fleet.adapters.postgres.commands import Commands
from fleet.adapters.postgres.rollups import roll_up
from fleet.adapters.postgres.taking_over import take_over
from tests.case_table import cases
from tests.command_examples import told
from tests.dispatch_examples import add_command, add_readings
from tests.stored_samples import LATEST
from tests.supabase.conftest import Fleet

pytestmark = pytest.mark.integration

CASES = cases("command_energies")
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
HOUR_MIN, SETPOINT_W, RATING_W = 60, 2000.0, 5000.0
Reading = tuple[datetime, float | None, float | None]


def energies(fleet: Fleet, command_id: str) -> dict[str, Any]:
    """What the database makes of one command."""
    (row,) = fleet.sql("SELECT * FROM fleet.command_energies(ARRAY[%s], '3 minutes')", command_id)
    return row


def say(fleet: Fleet, start: datetime, device: str, word: dict[str, Any], command_id: str) -> None:
    """Have Flip's word taken in, as it would have been at the minute `heard`."""
    heard_at = start + word["heard"] * MINUTE
    changes = {name: word[name] for name in ("status", "setpoint_w", "mode", "power_mode") if name in word}
    command = told(
        command_id, device, starts_at=start + word.get("from", 0) * MINUTE,
        ends_at=start + word.get("to", HOUR_MIN) * MINUTE,
        said=start + word.get("said", word["heard"]) * MINUTE, **changes,
    )  # fmt: skip
    with connect(fleet.project.settings) as connection:
        assert Commands(connection).receive(command, heard_at, heard_at) == "applied"


def leave(fleet: Fleet, device: str, at: datetime) -> None:
    """The battery left its home then, and is nobody's."""
    fleet.sql(
        "INSERT INTO fleet.registration_events"
        " (thing_name, kind, from_owner_id, actor_id, certificate_id, happened_at)"
        " VALUES (%s, 'released', gen_random_uuid(), gen_random_uuid(), '', %s)",
        device, at,
    )  # fmt: skip


def samples(start: datetime, parts: Iterable[dict[str, Any]]) -> tuple[list[Reading], list[float]]:
    """A sample each half minute of the parts, whose counters grow by the later sample's power; and the powers."""
    readings: list[Reading] = []
    powers: list[float] = []
    charged = discharged = 1000.0
    before: float | None = None
    for part in parts:
        power_w = part.get("power_w", SETPOINT_W)
        for half in range(round(part["from"] * 2), round(part["to"] * 2) + 1):
            grown_wh = power_w * (half / 2 - before) / 60 if before is not None else 0
            before = half / 2
            charged, discharged = charged - min(0, grown_wh), discharged + max(0, grown_wh)
            is_counted = part.get("counted", True)
            readings.append(
                (start + before * MINUTE, charged if is_counted else None, discharged if is_counted else None)
            )
            powers.append(max(0, power_w))
    return readings, powers


@pytest.mark.parametrize("name", CASES)
def test_asked_and_delivered_are_compared_over_the_same_time(fleet: Fleet, name: str) -> None:
    case = {"now": 90, "words": [], "readings": [], "asked": None, "compared": None, "measured": None, **CASES[name]}
    start = datetime.now(UTC) - case["now"] * MINUTE
    device, command_id = fleet.device(), f"cmd_{random.getrandbits(60)}"
    if (left := case.get("left", 0)) < 0:
        leave(fleet, device, start + left * MINUTE)
    for word in ({"heard": -10}, *case["words"]):
        say(fleet, start, device, word, command_id)
    if left > 0:
        leave(fleet, device, start + left * MINUTE)
    if "rival" in case:
        say(fleet, start, device, {"heard": 5, "from": case["rival"]}, f"{command_id}_rival")
    add_readings(fleet.sql, device, *samples(start, case["readings"]))
    row = energies(fleet, command_id)
    found = [
        row["asked_first_energy_wh"],
        row["asked_energy_wh"],
        row["asked_while_measured_wh"],
        row["measured_energy_wh"],
    ]
    assert found == pytest.approx([case["asked_first"], case["asked"], case["compared"], case["measured"]], rel=5e-3)
    assert row["data_standing"] == case["standing"]


def test_what_comes_late_completes_the_figures(fleet: Fleet) -> None:
    start = datetime.now(UTC) - 90 * MINUTE
    device = fleet.device()
    command_id = add_command(fleet.sql, device, start, start + HOUR_MIN * MINUTE)
    readings, powers = samples(start, [{"from": -2, "to": 62}])
    add_readings(fleet.sql, device, readings[:40], powers[:40])
    before = energies(fleet, command_id)
    assert (before["data_standing"], before["gap_count"]) == ("late", 0), "what is still to come is no gap"
    assert before["asked_while_measured_wh"] == pytest.approx(before["measured_energy_wh"])
    add_readings(fleet.sql, device, readings[40:], powers[40:], range(41, len(readings) + 1))
    after = energies(fleet, command_id)
    assert (after["data_standing"], after["measured_energy_wh"]) == ("complete", pytest.approx(2000))
    assert after["known_until"] >= start + HOUR_MIN * MINUTE


def test_a_battery_that_was_heard_of_since_has_no_late_readings(fleet: Fleet) -> None:
    start = datetime.now(UTC) - 90 * MINUTE
    device = fleet.device()
    command_id = add_command(fleet.sql, device, start, start + HOUR_MIN * MINUTE)
    add_readings(fleet.sql, device, [(start + 80 * MINUTE, 0.0, 0.0)])
    assert energies(fleet, command_id)["data_standing"] == "late"
    fleet.sql(
        f"{LATEST} WHERE thing_name = %s",
        device,
    )
    assert energies(fleet, command_id)["data_standing"] == "not_reported"


def test_a_counter_that_begins_anew_goes_on_from_zero(fleet: Fleet) -> None:
    start = datetime.now(UTC) - 90 * MINUTE
    device = fleet.device()
    command_id = add_command(fleet.sql, device, start, start + HOUR_MIN * MINUTE)
    readings, powers = samples(start, [{"from": -2, "to": 62}])
    zero_at = 70
    began_wh = readings[zero_at][2] or 0
    anew = [(at, up, (down or 0) - (began_wh if n >= zero_at else 0)) for n, (at, up, down) in enumerate(readings)]
    add_readings(fleet.sql, device, anew, powers)
    row = energies(fleet, command_id)
    # From the last reading before to the first one after nothing is known to have been given: 16.7 Wh in half a minute.
    assert row["measured_energy_wh"] == pytest.approx(2000 - SETPOINT_W / 120)


def test_energies_stay_when_the_samples_are_in_the_archive(fleet: Fleet) -> None:
    start = (datetime.now(UTC) - timedelta(days=20)).replace(second=0, microsecond=0)
    device = fleet.device()
    command_id = add_command(fleet.sql, device, start, start + HOUR_MIN * MINUTE)
    add_readings(fleet.sql, device, *samples(start, [{"from": -2, "to": 62}]))
    with connect(fleet.project.settings) as connection:
        roll_up(connection)
        take_over(connection)
    before = energies(fleet, command_id)
    fleet.sql("DELETE FROM fleet.telemetry_chunks WHERE thing_name = %s", device)
    after = energies(fleet, command_id)
    names = ("asked_energy_wh", "asked_while_measured_wh", "measured_energy_wh", "measured_s", "data_standing")
    assert [after[name] for name in names] == pytest.approx([before[name] for name in names])
    assert before["measured_energy_wh"] == pytest.approx(2000)
    fleet.sql("DELETE FROM fleet.telemetry_minutes WHERE thing_name = %s", device)
    assert energies(fleet, command_id)["measured_energy_wh"] is None


def test_a_word_that_was_kept_is_never_rewritten(fleet: Fleet) -> None:
    start = datetime.now(UTC) - 90 * MINUTE
    command_id = add_command(fleet.sql, fleet.device(), start, start + HOUR_MIN * MINUTE)
    fleet.sql("UPDATE fleet.commands SET setpoint_w = 1, revised_at = now() WHERE command_id = %s", command_id)
    for setpoint_w, revision in ((500, 2), (1, 1), (1, 2)):
        fleet.sql(
            "UPDATE fleet.commands SET setpoint_w = %s, revision = %s WHERE command_id = %s",
            setpoint_w, revision, command_id,
        )  # fmt: skip
    rows = fleet.sql(
        "SELECT revision, setpoint_w FROM fleet.command_revisions WHERE command_id = %s ORDER BY 1", command_id
    )
    assert [(row["revision"], row["setpoint_w"]) for row in rows] == [(1, SETPOINT_W), (2, 500)]


_WORD = {
    "heard": st.integers(-600, 4200),
    "from": st.integers(-300, 1800),
    "to": st.integers(1801, 4200),
    "status": st.sampled_from(["OK", "OK", "OK", "OPT_OUT", "CANCELED"]),
    "setpoint_w": st.sampled_from([500.0, 2000.0, 5000.0]),
}
WORDS = st.lists(st.fixed_dictionaries(_WORD), min_size=1, max_size=5)
"""Flip's words in seconds from the start of the hour, each in place of all of the one before."""
COURSES = st.lists(
    st.tuples(st.integers(1, 900), st.floats(0, RATING_W), st.booleans(), st.floats(0, 1)), min_size=1, max_size=40
)
"""Samples: seconds since the one before, the power until then, whether the counter was read, when it is stored."""


def asked_in_seconds(words: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """The same rule second by second: Wh and seconds that these words ask for."""
    asked_w = []
    for second in range(-700, 4300):
        held = [word for n, word in enumerate(words) if n == 0 or word["heard"] <= second]
        word = held[-1]
        if word["status"] == "OK" and word["from"] <= second < word["to"]:
            asked_w.append(word["setpoint_w"])
    return sum(asked_w) / 3600, len(asked_w)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=WORDS, course=COURSES)
def test_no_battery_delivers_more_than_its_rating_in_whatever_order_its_samples_come(
    fleet: Fleet, words: list[dict[str, Any]], course: list[tuple[int, float, bool, float]]
) -> None:
    start = (datetime.now(UTC) - timedelta(hours=3)).replace(microsecond=0)
    at, counter_wh, readings = start - 300 * SECOND, 1000.0, []
    for number, (after_s, power_w, is_counted, order) in enumerate(course):
        at, counter_wh = at + after_s * SECOND, counter_wh + power_w * after_s / 3600
        readings.append((order, number + 1, (at, 0.0, counter_wh if is_counted else None), power_w))
    rows = []
    for stored in (readings, sorted(readings, key=lambda one: one[0])):
        device = fleet.device()
        first, *later = words
        command_id = _kept(fleet, device, start, first, 1)
        for revision, word in enumerate(later, 2):
            _revise(fleet, command_id, start, word, revision)
        for some in (stored[::2], stored[1::2]):
            _, numbers, taken, powers = zip(*some, strict=True) if some else ((), (), (), ())
            add_readings(fleet.sql, device, taken, powers, numbers)
        rows.append(energies(fleet, command_id))
    row, shuffled = rows
    figures = [name for name, value in row.items() if isinstance(value, float)]
    assert [row[name] for name in figures] == pytest.approx([shuffled[name] for name in figures])
    others = {*row} - {"command_id", *figures}
    assert {name: row[name] for name in others} == {name: shuffled[name] for name in others}

    asked_wh, asked_s = asked_in_seconds(words)
    is_first_ok = first["status"] == "OK"
    assert row["asked_first_energy_wh"] == pytest.approx(
        first["setpoint_w"] * (first["to"] - first["from"]) / 3600 * is_first_ok
    )
    assert row["asked_energy_wh"] == pytest.approx(asked_wh) and (row["asked_s"] or 0) == pytest.approx(asked_s)
    measured_wh, measured_s = row["measured_energy_wh"] or 0.0, row["measured_s"] or 0.0
    assert measured_s <= asked_s + 1e-3
    assert measured_wh <= RATING_W * measured_s / 3600 + 1e-6
    assert 0 <= (row["asked_while_measured_wh"] or 0) <= asked_wh + 1e-6
    assert (row["asked_while_measured_wh"] is None) == (row["measured_energy_wh"] is None)


def _kept(fleet: Fleet, device: str, start: datetime, word: dict[str, Any], revision: int) -> str:
    heard_at = start + word["heard"] * SECOND
    return add_command(
        fleet.sql, device, start + word["from"] * SECOND, start + word["to"] * SECOND, flip_status=word["status"],
        setpoint_w=word["setpoint_w"], received_at=heard_at, revised_at=heard_at, revision=revision,
    )  # fmt: skip


def _revise(fleet: Fleet, command_id: str, start: datetime, word: dict[str, Any], revision: int) -> None:
    fleet.sql(
        "UPDATE fleet.commands SET revision = %s, revised_at = %s, flip_status = %s, starts_at = %s, ends_at = %s,"
        " setpoint_w = %s WHERE command_id = %s",
        revision, start + word["heard"] * SECOND, word["status"], start + word["from"] * SECOND,
        start + word["to"] * SECOND, word["setpoint_w"], command_id,
    )  # fmt: skip
