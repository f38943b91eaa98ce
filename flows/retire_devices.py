"""Take batteries out of service."""

from typing import Any

from prefect import flow
from prefect.states import Completed, Failed

from fleet.errors import InvalidInput
from tasks.provisioning import retire_device

_NAMED, _MOST_CHARACTERS = 10, 2_000
"""A state's message is for reading; the task runs have the rest."""


@flow
def retire_devices(names: list[str]) -> Any:
    """Delete the certificates and things of these devices for good; they are nobody's then. Their telemetry stays.

    One that cannot be retired holds up no other; run it again for those.

    Args:
        names: Thing names.
    """
    if not names:
        raise InvalidInput("Name at least one device to retire.")
    states = {name: retire_device(name, return_state=True) for name in dict.fromkeys(names)}
    failed = {name: state.message for name, state in states.items() if not state.is_completed()}
    sentence = f"{len(states) - len(failed)} of {len(states)} retired"
    if failed:
        reasons = "; ".join(f"{name}: {why}" for name, why in list(failed.items())[:_NAMED])
        return Failed(message=f"{sentence}. {reasons}"[:_MOST_CHARACTERS])
    return Completed(message=sentence, data=len(states))
