"""Take batteries out of service for good."""

from typing import Any

from prefect import flow

from fleet.settings import get_settings
from flows.devices_by_name import Names, for_each, summed_up
from tasks.leaving import decommission_device


@flow
def decommission_devices(names: Names) -> Any:
    """Delete the certificates, keys and things of these devices for good; they are nobody's then, and gone at Flip.

    Their connections are cut. What they sent, and who had them, stays. One that cannot be decommissioned holds up no
    other; run it again for those.

    Args:
        names: Thing names, 1 to 1,000.
    """
    return summed_up(for_each(decommission_device, names, get_settings()), "decommissioned")
