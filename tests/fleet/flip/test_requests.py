"""What a request asks of Flip, and how a refusal is told."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from fleet.errors import Conflict, InvalidInput
from fleet.flip import DeviceSetting, Enrollment, Event, EventChanges, InvalidField, InvalidFields
from fleet.flip.requests import (
    Declined,
    FlipRequest,
    declined,
    event_changes,
    event_to_change,
    running_in,
)

EVENT = Event(
    id="evt_1",
    starts_at=datetime(2026, 11, 24, 17, tzinfo=UTC),
    device_settings=(
        DeviceSetting(device_id="a", backup_reserve_percentage=30, maximum_charge_percentage=90),
        DeviceSetting(device_id="b", backup_reserve_percentage=10),
    ),
)


def change(**payload: Any) -> FlipRequest:
    return FlipRequest("1", "change_event", "owner", "site", payload={"event_id": "evt_1", **payload})


def reserve(device_id: str, percent: object) -> dict[str, object]:
    return {"device_id": device_id, "backup_reserve_percentage": percent}


def test_a_refusal_is_told_with_the_fields_it_names() -> None:
    error = InvalidFields("Correct it.", (InvalidField("site.email", "is missing"),))
    assert declined(error) == Declined("Correct it.", ({"name": "site.email", "problem": "is missing"},))
    assert declined(Conflict("It exists.")) == Declined("It exists.")


def test_an_enrollment_that_ended_does_not_keep_from_applying_again() -> None:
    ended = Enrollment(id="1", program_id="p", status="UNENROLLED")
    running = Enrollment(id="2", program_id="p", status="NEEDS_ACTION")
    assert running_in([ended, Enrollment(id="3", program_id="q", status="ACTIVE")], "p") is None
    assert running_in([ended, running], "p") == running


def test_a_reserve_is_sent_with_the_settings_that_stay() -> None:
    wish = change(device_settings=[reserve("a", 50)])
    changed = DeviceSetting(device_id="a", backup_reserve_percentage=50, maximum_charge_percentage=90)
    expected = EventChanges(device_settings=(changed, EVENT.device_settings[1]))
    assert event_changes(wish, EVENT) == expected
    assert expected.is_participating is msgspec.UNSET


def test_what_is_as_wanted_already_is_not_sent() -> None:
    assert event_changes(change(is_participating=True, device_settings=[reserve("b", 10)]), EVENT) is None
    assert event_changes(change(is_participating=False), EVENT) == EventChanges(is_participating=False)
    assert event_changes(change(is_participating=True, device_settings=[reserve("b", 11)]), EVENT) == EventChanges(
        device_settings=(EVENT.device_settings[0], DeviceSetting(device_id="b", backup_reserve_percentage=11))
    )


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({}, "Nothing of the event"), ({"device_settings": []}, "Nothing of the event"),
        ({"is_participating": "no"}, "cannot be read"), ({"event_id": None}, "cannot be read"),
        ({"device_settings": [reserve("a", 101)]}, "cannot be read"),
        ({"device_settings": [reserve("a", -1)]}, "cannot be read"),
        ({"device_settings": [reserve("a", "lots")]}, "cannot be read"),
        ({"device_settings": [reserve("z", 20)]}, "z is not a battery of this home"),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_made_is_refused(payload: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        event_to_change(change(**payload), ("a", "b"))
