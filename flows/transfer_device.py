"""Move a battery to another household."""

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from fleet.errors import FleetError
from flows.ending import ended
from tasks.transfer import hand_on, let_go_at_flip


@flow
def transfer_device(
    thing_name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")],
    to_email: Annotated[str, Field(max_length=320)] = "",
) -> Any:
    """Take a battery from its owner, at Flip too; what it was to do for that home ends, and it is told so.

    The next owner sees nothing of what was before. Without an address the battery is nobody's until somebody registers
    it with a fresh link of its own.

    Args:
        thing_name: The battery.
        to_email: The next owner's address, who has signed in once; empty: whoever registers it next.
    """
    done = f"{thing_name} {hand_on(thing_name, to_email.strip().lower())}"
    try:
        left = let_go_at_flip(thing_name)
    except FleetError as error:
        return ended(done, [f"Flip has not let go of it: {error} Run it again for that."])
    return ended(f"{done}. {left}".rstrip(". "), [], {"battery": thing_name})
