"""What a call of the REST API is refused with."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from postgrest.exceptions import APIError

NO_RIGHT = "42501"


@contextmanager
def refused(code: str, words: str = "") -> Iterator[None]:
    """The block is refused with that code, and a sentence that has those words."""
    with pytest.raises(APIError) as error:
        yield
    assert error.value.code == code, error.value.message
    assert words in (error.value.message or "")
