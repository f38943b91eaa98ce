"""One item of a batch: whatever it does, the others go on."""

import logging
from collections.abc import Callable
from typing import TypeVar

from fleet.errors import FleetError

T = TypeVar("T")
_log = logging.getLogger(__name__)


class OurFault(FleetError):
    """A bug of ours, met at one item: the log has it whole."""


def attempt(item: str, work: Callable[[], T], passing: tuple[type[Exception], ...] = ()) -> T | FleetError:
    """What `work` gives for this item, or the error that it ends with; `item` names it, for the log.

    `passing` are errors that are not the item's: a service that is down, a session that broke. They are raised.
    """
    try:
        return work()
    except passing:
        raise
    except FleetError as error:
        return error
    except Exception as error:
        named = item[:300].encode(errors="backslashreplace").decode()  # it may be what no log can take
        _log.exception("%s met an error of ours; the others go on", named)
        return OurFault(f"An error of ours, please report it: {type(error).__name__} at {named}.")
