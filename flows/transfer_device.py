"""Move a battery to another household."""

from typing import Annotated, Any

from prefect import flow
from prefect.states import Completed
from pydantic import Field

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
    done = hand_on(thing_name, to_email.strip().lower())
    left = let_go_at_flip(thing_name)
    return Completed(message=f"{thing_name} {done}. {left}".rstrip(), data={"battery": thing_name})
