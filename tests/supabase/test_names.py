"""What a household calls its battery is theirs, and goes when the battery does."""

import pytest

from tests.supabase.conftest import Fleet, Person
from tests.supabase.refusals import refused

pytestmark = pytest.mark.integration


@pytest.fixture
def device(fleet: Fleet, ann: Person) -> str:
    return fleet.battery_of(ann)


def own_name(person: Person, device: str) -> object:
    return next(row["own_name"] for row in person.rows("my_batteries") if row["thing_name"] == device)


@pytest.mark.parametrize(
    ("given", "kept"), [("Garage", "Garage"), ("  ¿Qué tal?  ", "¿Qué tal?"), ("x" * 60, "x" * 60)]
)
def test_a_name_is_kept_as_it_was_given_and_taken_back_by_an_empty_one(
    ann: Person, device: str, given: str, kept: str
) -> None:
    assert own_name(ann, device) is None
    ann.call("name_battery", p_thing_name=device, p_name=given)
    assert own_name(ann, device) == kept
    ann.call("name_battery", p_thing_name=device, p_name="  ")
    assert own_name(ann, device) is None


@pytest.mark.parametrize(
    ("given", "words"), [("x" * 61, "60 characters"), ("two\nlines", "line break"), ("x" * 300, "200")]
)
def test_what_is_no_name_is_refused(ann: Person, device: str, given: str, words: str) -> None:
    with refused("PT422", words):
        ann.call("name_battery", p_thing_name=device, p_name=given)


def test_the_next_household_does_not_learn_what_the_last_one_called_it(
    ann: Person, ben: Person, operator: Person, device: str
) -> None:
    ann.call("name_battery", p_thing_name=device, p_name="Ann's garage")
    operator.call("transfer_device", p_thing_name=device, p_to_email=ben.email)
    assert own_name(ben, device) is None
