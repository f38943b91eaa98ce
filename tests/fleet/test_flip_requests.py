"""When a request is tried again, and how a refusal is told."""

from datetime import timedelta

from fleet.errors import Conflict
from fleet.flip import Enrollment, InvalidField, InvalidFields
from fleet.flip_requests import Declined, declined, running_in, wait_after


def test_the_pauses_double_and_end_at_ten_minutes() -> None:
    waits = [wait_after(attempt).total_seconds() for attempt in (1, 2, 3, 6, 7, 1_000_000)]
    assert waits == [15, 30, 60, 480, 600, 600]
    assert wait_after(0) == timedelta(seconds=15)


def test_a_refusal_is_told_with_the_fields_it_names() -> None:
    error = InvalidFields("Correct it.", (InvalidField("site.email", "is missing"),))
    assert declined(error) == Declined("Correct it.", ({"name": "site.email", "problem": "is missing"},))
    assert declined(Conflict("It exists.")) == Declined("It exists.")


def test_an_enrollment_that_ended_does_not_keep_from_applying_again() -> None:
    ended = Enrollment(id="1", program_id="p", status="UNENROLLED")
    running = Enrollment(id="2", program_id="p", status="NEEDS_ACTION")
    assert running_in([ended, Enrollment(id="3", program_id="q", status="ACTIVE")], "p") is None
    assert running_in([ended, running], "p") == running
