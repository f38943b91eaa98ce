"""What both drivers over Home Assistant share: a TOML file that says which entity is which reading, and the words.

Sources: Home Assistant, developers' "REST API" and the integrations "MQTT Statestream" and "Scripts". A state is a
text; `unavailable` and `unknown` are none. Home Assistant knows many batteries and no way to tell them that all share:
what is said goes to a script or an automation of the home's own, which runs in mode `restart`, and lets go of the
battery `for_s` seconds after it was told last.
"""

import math
from collections.abc import Callable
from typing import TypeVar

import msgspec

from device_agent.batteries.contract import Capabilities, Control, Place, apart
from fleet.commands.limits import MODES
from fleet.errors import NotConfigured
from fleet.telemetry.sample import Mode

SIGNED = "battery_power_w"
"""The name of one signed power, charging positive, in the place of the two readings."""
RELEASE: dict[str, object] = {"mode": "RELEASE"}
UNKNOWN = "unknown"
NO_STATES = ("unavailable", UNKNOWN)
_WORDS: dict[str, dict[str, object]] = {"mode": dict(MODES), "grid_online": {"on": True, "off": False}}
"""Readings that are no numbers, by the states that say them."""
_UNITS = {"W": 1.0, "kW": 1e3, "MW": 1e6, "Wh": 1.0, "kWh": 1e3, "MWh": 1e6, "%": 1.0}


class Home(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every such file says. `entities`: reading to entity id, as `sensor.battery_level`."""

    entities: dict[str, str]
    charge_power_limit_w: float
    discharge_power_limit_w: float
    reverts_after_s: float
    modes: list[Mode] = msgspec.field(default_factory=lambda: [Mode.CHARGE, Mode.DISCHARGE, Mode.STANDBY])

    def capabilities(self) -> Capabilities:
        """What the battery can do, by this file. Raises `InvalidInput` on what cannot be."""
        readings = self.entities.keys() - {SIGNED} | (set(apart(0)) if SIGNED in self.entities else set())
        return Capabilities(
            frozenset(self.modes),
            self.charge_power_limit_w,
            self.discharge_power_limit_w,
            frozenset(readings),
            reverts_after_s=self.reverts_after_s,
        )

    def read(self, state_of: Callable[[str], tuple[str, str]]) -> dict[str, object]:
        """The readings, of each entity's state and unit."""
        found: dict[str, object] = {}
        for name, entity in self.entities.items():
            value = value_of(name, *state_of(entity))
            found |= apart(value) if name == SIGNED and isinstance(value, float) else {name: value}
        return found

    def told(self, control: Control) -> dict[str, object]:
        """What the home's script hears; `power_w` is signed, charging positive."""
        setpoint_w = control.setpoint_w or 0.0
        power_w = -setpoint_w if control.mode is Mode.DISCHARGE else setpoint_w
        return {"mode": control.mode.value, "power_w": power_w, "for_s": self.reverts_after_s}


AnyHome = TypeVar("AnyHome", bound=Home)


def home_in(address: str, place: Place, kind: type[AnyHome]) -> AnyHome:
    """The file that an address names. Raises `NotConfigured`, or `InvalidInput` on what cannot be."""
    path = place.folder / address
    try:
        home = msgspec.toml.decode(path.read_bytes(), type=kind)
    except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
        raise NotConfigured(f"{path} does not describe a home ({error}): docs/drivers.md has an example.") from error
    home.capabilities()
    return home


def secret_beside(address: str, place: Place, file: str) -> str:
    """What stands in a file of its own, a path from the folder of the description. Raises `NotConfigured`."""
    path = (place.folder / address).parent / file
    try:
        return path.read_text().strip()
    except (OSError, ValueError) as error:
        raise NotConfigured(f"{path} cannot be read ({error}): put the secret there.") from error


def has_unit(name: str) -> bool:
    """Whether the reading is a number, whose entity says its unit."""
    return name not in _WORDS


def value_of(name: str, state: str, unit: str) -> object:
    """A state as the reading `name`; what is none stays a text, which the agent leaves out and tells of."""
    if state in NO_STATES:
        return None
    if name in _WORDS:
        return _WORDS[name].get(state, state)
    try:
        number = float(state) * _UNITS[unit]
    except (ValueError, KeyError):
        return f"{state} {unit}"
    return number if math.isfinite(number) else f"{state} {unit}"
