"""Shut batteries out at once: a key that was stolen, a battery that does what nobody asked for."""

from typing import Any

from prefect import flow

from fleet.settings import get_settings
from flows.devices_by_name import for_each, summed_up
from flows.parameters import ThingNames
from flows.run_names import Parameters, of_its_parameters
from tasks.leaving import restore_device, revoke_device
from tasks.run_names import devices


def run_name(given: Parameters) -> str:
    """What a run with these parameters is called."""
    return f"{'restore' if given.get('restore') else 'revoke'} {devices(given['names'])}"


@flow(flow_run_name=of_its_parameters(run_name))
def revoke_devices(names: ThingNames, restore: bool = False) -> Any:
    """Make these devices' certificates inactive and cut their connections; what they send is refused from then on.

    They stay their owners', and can be let in again. What they hold of commands they go on doing until its end, or
    until they have missed the cloud for an hour: to end that sooner, somebody has to go there.

    Args:
        names: Thing names, 1 to 1,000.
        restore: Let them in again instead, with the certificates that they have.
    """
    if restore:
        return summed_up(for_each(restore_device, names, get_settings()), "restored")
    return summed_up(for_each(revoke_device, names, get_settings()), "revoked")
