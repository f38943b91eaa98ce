"""Take batteries out of service for good."""

from typing import Any

from prefect import flow

from fleet.settings import get_settings
from flows.devices_by_name import for_each, summed_up
from flows.parameters import ThingNames
from flows.run_names import of_its_parameters
from tasks.leaving import decommission_device
from tasks.run_names import devices


@flow(flow_run_name=of_its_parameters(lambda given: f"decommission {devices(given['names'])}"))
def decommission_devices(names: ThingNames) -> Any:
    """Delete the certificates, keys and things of these devices for good; they are nobody's then, and gone at Flip.

    Their connections are cut. What they sent, and who had them, stays. One that cannot be decommissioned holds up no
    other; run it again for those.

    Args:
        names: Thing names, 1 to 1,000.
    """
    return summed_up(for_each(decommission_device, names, get_settings()), "decommissioned")
