"""Flip's 422 names fields in three shapes; a stranger's shape names none and breaks nothing."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.flip import InvalidField, invalid_fields, read_invalid_fields

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["detail", "loc", "msg", "errors", "path", "enrollment", "x"]), inner, max_size=3
        )
    ),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ({"detail": [{"loc": ["body", "site", "state_code"], "msg": "bad"}]}, "site.state_code"),
        ({"errors": [{"path": "devices.0.id", "message": "missing"}]}, "devices.0.id"),
        ({"enrollment": {"missing_site_attributes": ["email"]}}, "site.email"),
        (
            {"enrollment": {"missing_program_specific_attributes": [{"name": "owns_home"}]}},
            "program_specific_attributes.owns_home",
        ),
        ({"enrollment": {"incorrect_terms_and_conditions_version": True}}, "terms_and_conditions_version"),
    ],
)
def test_the_fields_are_named(answer: object, name: str) -> None:
    assert [field.name for field in read_invalid_fields(answer)] == [name]


@given(json_values)
def test_any_other_shape_is_read_without_an_exception(answer: object) -> None:
    assert isinstance(read_invalid_fields(answer), tuple)


def test_the_sentence_says_what_to_correct() -> None:
    fields = read_invalid_fields({"detail": [{"loc": ["body", "site", "state_code"], "msg": "is no state"}]})
    sentence = str(invalid_fields("commission the site", fields))
    assert sentence == "Flip cannot use what it was sent to commission the site: correct site.state_code (is no state)."


def test_the_error_crosses_processes_with_its_fields() -> None:
    error = invalid_fields("enroll", (InvalidField("email", "is missing"),))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (str(copy), copy.fields) == (str(error), error.fields)
