"""What Flip is told of a battery."""

from datetime import UTC, datetime
from typing import Any

import pytest

from fleet.errors import InvalidInput
from fleet.flip import DeviceAttributes, Site
from fleet.flip.commissioning import Battery, device_of, site_changes
from fleet.products import products

REGISTERED = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
RATINGS = {"battery_capacity_wh": 9_000, "battery_power_input_w": 3_000, "battery_power_output_w": 3_500.6}


def registered(model: str = "home-13", **said: Any) -> Battery:
    return Battery("battery-1", "home", model, REGISTERED, said)


def test_without_a_word_of_the_owner_the_label_speaks() -> None:
    device = device_of(registered())
    assert device.attributes == DeviceAttributes(
        battery_capacity_wh=13_500, battery_power_input_w=5_000, battery_power_output_w=5_000
    )
    assert (device.id, device.type, device.product_name) == ("battery-1", "BATTERY", "Home 13")
    assert (device.serial_number, device.install_date) == ("battery-1", "2026-11-23T12:00:00Z")


def test_the_owners_words_come_first() -> None:
    device = device_of(registered(serial_number=" SN-1 ", install_date="2025-01-01", manufacturer_name="Maker"))
    assert (device.serial_number, device.install_date, device.manufacturer_name) == (
        "SN-1",
        "2025-01-01T12:00:00Z",
        "Maker",
    )


def test_a_model_that_nobody_described_needs_the_owners_ratings() -> None:
    device = device_of(registered("prototype", **RATINGS))
    assert device.attributes == DeviceAttributes(**{**RATINGS, "battery_power_output_w": 3_501})
    assert (device.product_name, device.manufacturer_name) == ("prototype", products().maker)
    with pytest.raises(InvalidInput, match="battery_capacity_wh is not known"):
        device_of(registered("prototype"))


@pytest.mark.parametrize("odd", ["12000", True, -1, 0, 1e300, float("nan"), None, [1]])
def test_a_rating_that_cannot_be_is_not_passed_on(odd: object) -> None:
    attributes = device_of(registered(battery_capacity_wh=odd)).attributes
    assert attributes and attributes.battery_capacity_wh == 13_500


def test_a_field_that_was_emptied_is_emptied_at_flip() -> None:
    changes = site_changes(Site(id="home", city="Fresno", zip_code="88801"))
    assert (changes.city, changes.zip_code, changes.email) == ("Fresno", "88801", None)
