"""What a homeowner reads of an event, in plain words."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from streamlit_app import words
from streamlit_app.event_words import does, headings, outcome
from streamlit_app.services.events import CommandResult, Event, Part

START = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
END = START + timedelta(minutes=10)
BEFORE, DURING, AFTER = START - timedelta(hours=1), START + timedelta(minutes=5), END + timedelta(hours=1)


def result(**changes: Any) -> CommandResult:
    values = {"command_id": "c", "thing_name": "b", "starts_at": START, "ends_at": END, "mode": "DISCHARGE", **changes}
    return CommandResult(**values)


@pytest.mark.parametrize(
    ("changes", "now", "sentence"),
    [
        ({"state": "pending"}, BEFORE, "The battery is being told."),
        ({"state": "delivered"}, DURING, "The battery could not be reached yet."),
        ({"state": "pending"}, AFTER, "It was over before the battery could be reached."),
        ({"state": "expired"}, AFTER, "It was over before the battery could be reached."),
        ({"state": "acknowledged"}, BEFORE, "The battery has it and begins on time."),
        ({"state": "acknowledged"}, AFTER, "It is over; the battery has not reported yet how it went."),
        ({"state": "running"}, DURING, "Under way."),
        ({"state": "running", "measured_energy_wh": 150.2}, DURING, "Under way: it gave 150 Wh so far."),
        (
            {"state": "running", "measured_energy_wh": 150.2, "asked_while_measured_wh": 160.0,
             "asked_energy_wh": 300.0, "asked_first_energy_wh": 900.0}, DURING,
            "Under way: it gave 150 Wh of the 160 Wh that it was asked for so far.",
        ),
        ({"state": "done"}, AFTER, "Done; how much it gave was not measured."),
        ({"state": "done", "measured_energy_wh": 0.0}, AFTER, "Done: it gave 0 Wh."),
        (
            {"state": "done", "mode": "CHARGE", "measured_energy_wh": 1234.0, "asked_while_measured_wh": 2000.0}, AFTER,
            "Done: it took 1.23 kWh of the 2.00 kWh that it was asked for.",
        ),
        (
            {"state": "done", "measured_energy_wh": 500.0, "asked_while_measured_wh": 500.0,
             "asked_energy_wh": 1000.0, "asked_first_energy_wh": 2000.0, "data_standing": "late",
             "known_until": DURING}, AFTER,
            "Done: it gave 500 Wh of the 500 Wh that it was asked for. Its readings from Nov 24, 2026, 17:05 on are "
            "late, and may still come. At first it was asked for 2.00 kWh, in the end for 1.00 kWh.",
        ),
        (
            {"state": "done", "data_standing": "late", "known_until": BEFORE}, AFTER,
            "Done. Its readings are late, and may still come.",
        ),
        (
            {"state": "done", "measured_energy_wh": 500.0, "data_standing": "incomplete"}, AFTER,
            "Done: it gave 500 Wh. For a part of the time there are no readings; it is not counted.",
        ),
        ({"state": "done", "data_standing": "not_reported"}, AFTER, "Done; how much it gave was not measured."),
        ({"state": "done", "mode": "BACKUP"}, AFTER, "Done."),
        ({"state": "done", "mode": "NEW_MODE", "measured_energy_wh": 5.0}, AFTER, "Done."),
        ({"state": "failed", "reason": "It is too hot."}, AFTER, "It did not work: It is too hot."),
        ({"state": "failed"}, AFTER, "It did not work: the battery gave no reason."),
        ({"state": "canceled", "flip_status": "OPT_OUT"}, AFTER, "You did not take part."),
        (
            {"state": "canceled", "flip_status": "OPT_OUT", "measured_energy_wh": 100.0,
             "asked_while_measured_wh": 100.0, "asked_energy_wh": 100.0, "asked_first_energy_wh": 300.0}, DURING,
            "You did not take part. Until then it gave 100 Wh of the 100 Wh that it was asked for. "
            "At first it was asked for 300 Wh, in the end for 100 Wh.",
        ),
        (
            {"state": "canceled", "flip_status": "CANCELED", "asked_energy_wh": 0.0, "asked_first_energy_wh": 300.0},
            AFTER, "The utility canceled it. At first it was asked for 300 Wh, in the end for nothing.",
        ),
        (
            {"state": "canceled", "flip_status": "CANCELED", "measured_energy_wh": 1.0}, AFTER,
            "The utility canceled it.",
        ),
        ({"state": "superseded"}, AFTER, "A later request replaced it."),
    ],
)  # fmt: skip
def test_what_became_of_a_command_is_told(changes: dict[str, Any], now: datetime, sentence: str) -> None:
    assert outcome(result(**changes), now) == sentence


def test_what_will_happen_has_its_power_where_one_was_asked_for() -> None:
    assert does("DISCHARGE", 2000) == "gives power to your home and the grid at 2.0 kW"
    assert does("CHARGE") == "charges"
    assert does("STANDBY", 2000) == "rests"
    assert does("NEW_MODE") == "does new mode"


def test_a_time_has_its_zone_and_its_day() -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("America/Los_Angeles"))
    assert words.span(START, END, now) == "Tue, Nov 24, 09:00 to 09:10 PST"
    assert words.span(START, START + timedelta(hours=20), now) == "Tue, Nov 24, 09:00 to Wed, Nov 25, 05:00 PST"
    assert words.span(START, None, now) == "Tue, Nov 24, 09:00 PST until further notice"
    autumn = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)  # the clocks go back at 9:00 UTC
    assert words.span(autumn, autumn + timedelta(hours=1), now) == "Sun, Nov 1, 01:30 PDT to 01:30 PST"


def test_how_long_until_then() -> None:
    assert [words.ahead(START + timedelta(seconds=s), START) for s in (-1, 0, 30, 600)] == [
        "now", "now", "in 30 seconds", "in 10 minutes",
    ]  # fmt: skip


def test_a_command_belongs_to_the_part_of_an_event_that_names_its_battery_start_and_mode() -> None:
    later = START + timedelta(hours=1)
    parts = [
        Part(device_ids=["b"], mode="CHARGE", starts_at=START, is_preparatory_action=True),
        Part(device_ids=["b"], mode="DISCHARGE", starts_at=later),
        Part(),
    ]
    event = Event(event_id="e", starts_at=START, ends_at=END, schedule=parts)
    assert result(mode="CHARGE").belongs_to(event) and result(starts_at=later).belongs_to(event)
    assert not result().belongs_to(event) and not result(thing_name="x", mode="CHARGE").belongs_to(event)
    assert event.thing_names == ["b"]


def test_an_event_is_over_when_flip_says_so_or_its_end_has_come() -> None:
    event = Event(event_id="e", starts_at=START, ends_at=END)
    assert [event.is_running(now) for now in (BEFORE, DURING, AFTER)] == [False, True, False]
    assert event.is_over(AFTER) and not event.is_over(DURING)
    assert Event(event_id="e", starts_at=START, ends_at=END, status="CANCELED").is_over(BEFORE)
    assert not Event(event_id="e", starts_at=START, status="A_NEW_WORD").is_over(AFTER)


@pytest.mark.parametrize(
    ("are_running", "shown"),
    [
        ([], []),
        ([False], ["Next event"]),
        ([False, False, False], ["Next event", "After that", ""]),
        ([True], ["Now"]),
        ([True, True, False, False, False], ["Now", "", "Next event", "After that", ""]),
    ],
)
def test_an_event_that_runs_is_not_the_next_one(are_running: list[bool], shown: list[str]) -> None:
    assert headings(are_running) == shown
