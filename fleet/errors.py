"""One family of errors: each says in one sentence what is wrong and what to do.

Adapters turn a vendor's error code into one of these (`raise ... from error`); the command line prints the
sentence and exits with `exit_code`; a flow fails with the sentence as its state's message. An outcome that is
expected, such as a message that does not parse, is a value and no exception.
"""


class FleetError(Exception):
    """Something the reader can act on. `str(error)` is one sentence for a person."""

    exit_code = 1


class InvalidInput(FleetError):
    """What was given cannot be used; the same call fails again until it is changed."""

    exit_code = 2


class NotConfigured(FleetError):
    """A setting or a file that the call needs is missing or malformed; the sentence names it."""

    exit_code = 3


class Refused(FleetError):
    """A vendor or a broker said no to who we are or to what we asked."""

    exit_code = 4


class Unavailable(FleetError):
    """A service did not answer or asked us to slow down; the same call may go through later."""

    exit_code = 5


class TookTooLong(Unavailable):
    """What was asked was stopped at its time limit, and nothing of it was kept; later it may be done in time."""


class Conflict(FleetError):
    """What was asked for collides with what exists, or somebody else holds a lock."""

    exit_code = 6


class NotFound(FleetError):
    """The named thing does not exist."""

    exit_code = 7
