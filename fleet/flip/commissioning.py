"""What Flip is told of a home and its battery, out of what we know and what the owner said."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fleet.errors import InvalidInput
from fleet.flip import Device, DeviceAttributes, Site, SiteChanges
from fleet.products import Model, model_named, products

SITE_FIELDS = (
    "first_name", "last_name", "email", "street_address", "street_address2", "city", "state_code", "zip_code",
    "service_account_id",
)  # fmt: skip
_HIGHEST_RATING = 1e7
_NOON = "T12:00:00Z"
"""Flip wants a time: at noon UTC every one of its utilities has the day that was meant."""


@dataclass(frozen=True)
class Battery:
    """A registered battery. `said` is what its owner entered, in Flip's names; `registered_at` is UTC."""

    thing_name: str
    site_id: str
    model: str
    registered_at: datetime
    said: Mapping[str, Any] = field(default_factory=dict)


def device_of(battery: Battery) -> Device:
    """The battery as Flip wants it: the owner's words where there are some, its model's label for the rest.

    Raises `InvalidInput` when neither says what the battery can do.
    """
    model = model_named(battery.model)
    attributes = DeviceAttributes(
        battery_capacity_wh=_rating(battery, "battery_capacity_wh", model.capacity_wh if model else None),
        battery_power_input_w=_rating(battery, "battery_power_input_w", model.charge_power_w if model else None),
        battery_power_output_w=_rating(battery, "battery_power_output_w", model.discharge_power_w if model else None),
    )
    installed = _word(battery, "install_date") or battery.registered_at.date().isoformat()
    return Device(
        id=battery.thing_name,
        type="BATTERY",
        site_id=battery.site_id,
        manufacturer_name=_word(battery, "manufacturer_name")
        or (model.manufacturer_name if model else products().maker),
        product_name=_word(battery, "product_name") or (model.product_name if model else battery.model),
        serial_number=_word(battery, "serial_number") or battery.thing_name,
        attributes=attributes,
        install_date=installed if "T" in installed else installed + _NOON,
    )


def site_changes(site: Site) -> SiteChanges:
    """Everything that is kept of the home, so that Flip has it as it is now; what was emptied is emptied there."""
    return SiteChanges(**{name: getattr(site, name) for name in SITE_FIELDS})


def _maker(model: Model | None) -> str:
    return model.manufacturer_name if model else products().maker


def _word(battery: Battery, name: str) -> str:
    value = battery.said.get(name)
    return value.strip() if isinstance(value, str) else ""


def _rating(battery: Battery, name: str, label: float | None) -> int:
    value = battery.said.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _HIGHEST_RATING:
        return max(1, round(value))
    if label is None:
        raise InvalidInput(
            f"The battery's {name} is not known: enter it, "
            f"or add the model {battery.model[:80]!r} to fleet/products.toml."
        )
    return round(label)
