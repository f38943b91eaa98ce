"""Whatever one item of a batch does, the others go on."""

import pytest

from fleet.errors import FleetError, InvalidInput, Unavailable
from fleet.items import OurFault, attempt


def raising(error: BaseException) -> object:
    raise error


def test_what_it_gives_is_given() -> None:
    assert attempt("the item", lambda: 7) == 7


def test_an_error_of_ours_is_a_value_and_keeps_its_sentence() -> None:
    error = InvalidInput("It is too long: shorten it.")
    assert attempt("the item", lambda: raising(error)) is error


@pytest.mark.parametrize("error", [ValueError("secret"), KeyError("x"), AssertionError(), RecursionError(), OSError()])
def test_any_other_error_names_the_item_and_quotes_nothing(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    outcome = attempt("the command c", lambda: raising(error))
    assert isinstance(outcome, OurFault)
    assert "the command c" in str(outcome)
    assert "secret" not in str(outcome)
    assert type(error).__name__ in caplog.text, "the log has it whole"


@pytest.mark.parametrize("name", ["a\udcffb", "x" * 100_000], ids=["no text", "too long"])
def test_a_name_that_no_log_takes_is_written_so_that_it_does(name: str, caplog: pytest.LogCaptureFixture) -> None:
    sentence = str(attempt(name, lambda: raising(ValueError())))
    assert (sentence + caplog.text).encode()
    assert len(sentence) < 500


def test_what_is_not_the_items_fault_is_raised() -> None:
    with pytest.raises(Unavailable):
        attempt("the item", lambda: raising(Unavailable("It is down.")), (Unavailable,))
    with pytest.raises(KeyboardInterrupt):
        attempt("the item", lambda: raising(KeyboardInterrupt()))


def test_an_error_of_ours_is_one_of_the_family() -> None:
    assert isinstance(attempt("the item", lambda: raising(TypeError())), FleetError)
