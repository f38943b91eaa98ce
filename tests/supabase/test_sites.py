"""A home is saved as it was typed, checked, and its owner's alone; hostile text is only text."""

import pytest

from tests.supabase.conftest import HOME, Fleet, Person, home_of
from tests.supabase.refusals import refused

pytestmark = pytest.mark.integration

HOSTILE = [
    "<script>alert(1)</script>",
    "'; DROP TABLE fleet.sites; --",
    "\u202eمنزل دافئ",
    "🏠🔋 Zoë \u0301",
    "{{ .Token }} ${7*7} %s %(x)s",
    '"quoted" \\ back',
]


def test_a_home_is_kept_as_it_was_typed(ann: Person) -> None:
    typed = {
        **HOME,
        "last_name": "Lee",
        "email": "ann@example.org",
        "street_address2": "Flat 2",
        "service_account_id": "7",
    }
    site_id = ann.call("save_site", p_site_id=None, p_site=typed)
    (site,) = ann.rows("my_sites")
    assert site["site_id"] == site_id
    assert {name: site[name] for name in typed} == typed


def test_what_is_given_changes_and_the_rest_stays(ann: Person) -> None:
    site_id = home_of(ann)
    ann.call("save_site", p_site_id=site_id, p_site={"city": "  Elko ", "first_name": " ", "state_code": "ca"})
    (site,) = ann.rows("my_sites")
    assert (site["city"], site["first_name"], site["state_code"]) == ("Elko", None, "CA")
    assert site["street_address"] == HOME["street_address"]


@pytest.mark.parametrize(
    ("change", "is_kept"), [({"zip_code": "89801"}, False), ({"street_address": "1 Other Road"}, True)]
)
def test_programs_of_a_former_zip_code_are_not_shown_as_those_of_the_new_one(
    fleet: Fleet, ann: Person, change: dict[str, str], is_kept: bool
) -> None:
    site_id, other_id = home_of(ann), home_of(ann)
    for each in (site_id, other_id):
        fleet.sql("INSERT INTO fleet.site_programs (site_id, programs) VALUES (%s, '[]') RETURNING 1", each)
    ann.call("save_site", p_site_id=site_id, p_site=change)
    assert {row["site_id"] for row in ann.rows("my_programs")} == {other_id, *([site_id] if is_kept else [])}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(ann: Person, text: str) -> None:
    site_id = ann.call("save_site", p_site_id=None, p_site={**HOME, "first_name": text, "city": text})
    (site,) = ann.rows("my_sites")
    assert (site["site_id"], site["first_name"], site["city"]) == (site_id, text.strip(), text.strip())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state_code": "XX"}, "state_code"), ({"state_code": None}, "state_code"), ({"state_code": "N"}, "state_code"),
        ({"zip_code": "1234"}, "zip_code"), ({"zip_code": "٨٨٨٠١"}, "zip_code"), ({"zip_code": ""}, "zip_code"),
        ({"zip_code": "88801\n"}, "zip_code"), ({"zip_code": "88801-"}, "zip_code"),
        ({"email": "nobody"}, "email"), ({"email": "a b@c.d"}, "email"),
        ({"city": "x" * 201}, "city is longer"), ({"first_name": "x" * 10_000}, "first_name is longer"),
        ({"city": "a\nb"}, "control character"), ({"city": "a\x1bb"}, "control character"),
        ({"city": 7}, "no text"), ({"city": ["x"]}, "no text"), ({"city": {"x": 1}}, "no text"),
        ({"owner_id": "x"}, "no field owner_id"), ({"site_id": "x"}, "no field"), ({"x" * 5000: "x"}, "no field"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_and_nothing_is_saved(ann: Person, change: dict[str, object], words: str) -> None:
    with refused("PT422", words):
        ann.call("save_site", p_site_id=None, p_site={**HOME, **change})
    assert ann.rows("my_sites") == []


@pytest.mark.parametrize("form", [None, [], "text", 7])
def test_what_is_no_form_is_refused(ann: Person, form: object) -> None:
    with refused("PT422", "no form"):
        ann.call("save_site", p_site_id=None, p_site=form)


def test_a_nul_character_is_refused(ann: Person) -> None:
    with refused("22P05"):
        ann.call("save_site", p_site_id=None, p_site={**HOME, "city": "a\0b"})


def test_a_change_that_cannot_be_used_leaves_the_home_as_it_was(ann: Person) -> None:
    site_id = home_of(ann)
    before = ann.rows("my_sites")
    with refused("PT422"):
        ann.call("save_site", p_site_id=site_id, p_site={"city": "Elko", "zip_code": "x"})
    assert ann.rows("my_sites") == before


def test_anothers_home_cannot_be_told_from_none(ann: Person, ben: Person) -> None:
    site_id = home_of(ann)
    before = ann.rows("my_sites")
    with refused("PT404", "not one of yours"):
        ben.call("save_site", p_site_id=site_id, p_site={**HOME, "city": "Ben's"})
    assert (ann.rows("my_sites"), ben.rows("my_sites")) == (before, [])


def test_an_account_has_a_bounded_number_of_homes(fleet: Fleet, ann: Person) -> None:
    fleet.sql(
        "INSERT INTO fleet.sites (owner_id, state_code, zip_code) SELECT %s, 'NV', '88801' FROM generate_series(1, 50)",
        ann.user_id,
    )
    with refused("PT409", "50 homes"):
        home_of(ann)
