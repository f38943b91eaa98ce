"""Which drivers there are: ours, and those that other packages bring as entry points of `flip_fleet.batteries`.

Ours are entry points too (`pyproject.toml`), but known here as well: an image runs the agent from a folder, of which
no package is installed that could tell.
"""

from importlib.metadata import EntryPoint, entry_points

from device_agent.batteries.contract import Driver, Open, Place
from fleet.errors import InvalidInput, NotConfigured

GROUP = "flip_fleet.batteries"
SIMULATION = "simulation"
OURS = {
    "home-assistant-http": "device_agent.batteries.home_assistant_http:open_battery",
    "home-assistant-mqtt": "device_agent.batteries.home_assistant_mqtt:open_battery",
    SIMULATION: "device_agent.batteries.simulated:open_battery",
}


def drivers() -> dict[str, EntryPoint]:
    """All drivers that are installed, by name; a name of ours is ours, whoever else claims it."""
    theirs = {found.name: found for found in entry_points(group=GROUP)}
    ours = {name: EntryPoint(name, value, GROUP) for name, value in OURS.items()}
    return dict(sorted((theirs | ours).items()))


def open_battery(said: str, place: Place) -> Driver:
    """The driver that `said`, NAME or NAME:ADDRESS, names; empty is the simulation. It talks to nobody yet.

    Raises `InvalidInput` for an unknown name, `NotConfigured` where the driver cannot be loaded, and what it raises.
    """
    name, _, address = (said or SIMULATION).partition(":")
    known = drivers()
    if name not in known:
        raise InvalidInput(f"No battery driver is called {name[:40]!r}: there are {', '.join(known)}.")
    try:
        open_it: Open = known[name].load()
    except Exception as error:  # whatever the module of a maker does when it is imported
        raise NotConfigured(
            f"The battery driver {name!r} cannot be loaded ({error!r}): install the package that it needs."
        ) from error
    return open_it(address, place)
