"""Take batteries out of service."""

from prefect import flow

from fleet.errors import InvalidInput
from tasks.provisioning import retire_device


@flow
def retire_devices(names: list[str]) -> int:
    """Delete the certificates and things of these devices for good; they are nobody's then. Their telemetry stays.

    Args:
        names: Thing names.
    """
    if not names:
        raise InvalidInput("Name at least one device to retire.")
    for name in names:
        retire_device(name)
    return len(names)
