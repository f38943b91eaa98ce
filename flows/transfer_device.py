"""Move a battery to another household."""

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from fleet.errors import FleetError
from flows.ending import ended
from flows.parameters import ThingName
from flows.run_names import of_its_parameters
from tasks.run_names import short
from tasks.transfer import hand_on, let_go_at_flip


@flow(flow_run_name=of_its_parameters(lambda given: f"transfer {short(given['thing_name'])}"))
def transfer_device(
    thing_name: ThingName,
    to_email: Annotated[str, Field(max_length=320)] = "",
) -> Any:
    """Take a battery from its owner, at Flip too; what it was to do for that home ends, and it is told so.

    The next owner sees nothing of what was before. Without an address the battery is nobody's until somebody registers
    it with a fresh link of its own.

    Args:
        thing_name: The thing name of the battery.
        to_email: The next owner's address, who has signed in once; empty: whoever registers it next.
    """
    done = f"{thing_name} {hand_on(thing_name, to_email.strip().lower())}"
    try:
        left = let_go_at_flip(thing_name)
    except FleetError as error:
        return ended(done, [f"Flip has not let go of it: {error} Run it again for that."])
    return ended(f"{done}. {left}".rstrip(". "), [], {"battery": thing_name})
