"""What tests send to Flip: a home in the sandbox's zip code, its battery, an interval."""

from datetime import UTC, datetime
from typing import Any

from fleet.flip import (
    CommissionRequest,
    Device,
    DeviceAttributes,
    EnrollmentRequest,
    ProgramAttribute,
    Site,
    TelemetryPoint,
)
from local_cloud.flip.catalog import GRID_RESERVE, PEAK_SAVER

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def home(site_id: str = "site-1", **changes: Any) -> Site:
    fields = {"email": "owner@example.com", "state_code": "CA", "city": "Fresno", "zip_code": "88801"}
    return Site(id=site_id, **{**fields, **changes})


def battery(device_id: str = "battery-1", **changes: Any) -> Device:
    attributes = DeviceAttributes(battery_capacity_wh=13_500, battery_power_input_w=5_000, battery_power_output_w=5_000)
    fields = {"manufacturer_name": "Maker", "product_name": "One", "serial_number": f"SN-{device_id}"}
    fields["install_date"] = "2026-05-02T12:00:00Z"
    return Device(id=device_id, type="BATTERY", **{"attributes": attributes, **fields, **changes})


def commissioning(site_id: str = "site-1", *device_ids: str, **changes: Any) -> CommissionRequest:
    devices = tuple(battery(one) for one in device_ids or ("battery-1",))
    return CommissionRequest(site=home(site_id), devices=devices, **changes)


def point(device_id: str = "battery-1", start_time: datetime = NOON, **changes: Any) -> TelemetryPoint:
    readings = {
        "last_is_online": True, "last_mode": "SELF_CONSUMPTION",
        "battery_last_power_charge_w": 0.0, "battery_last_power_discharge_w": 1500.0,
        "battery_total_energy_charge_wh": 0.0, "battery_total_energy_discharge_wh": 125.0,
        "battery_last_stored_energy_wh": 6000.0, "battery_last_capacity_energy_wh": 13_500.0,
        "battery_last_state_of_charge_percentage": 44.4,
        "battery_last_state_of_health_percentage": 100.0, "last_is_grid_online": True,
        "home_total_energy_wh": 125.0, "home_last_power_w": 1500.0,
        "solar_total_energy_wh": 0.0, "solar_last_power_w": 0.0,
    }  # fmt: skip
    return TelemetryPoint(device_id=device_id, start_time=start_time, **{"duration_s": 300, **readings, **changes})


def application(**changes: Any) -> EnrollmentRequest:
    """An application for the sandbox program with terms and a form."""
    answers = {"owns_home": "true", "solar_size_kw": "7.5", "meter_number": "M-1"}
    fields = {
        "program_id": PEAK_SAVER, "device_ids": ("battery-1",), "has_agreed_to_terms_and_conditions": True,
        "terms_and_conditions_version": "2026-03",
        "program_specific_attributes": tuple(ProgramAttribute(name, value) for name, value in answers.items()),
    }  # fmt: skip
    return EnrollmentRequest(**{**fields, **changes})


def plain_application(**changes: Any) -> EnrollmentRequest:
    """An application for the sandbox program without terms or form."""
    fields = {"program_id": GRID_RESERVE, "terms_and_conditions_version": None}
    return application(**{**fields, "program_specific_attributes": (), **changes})
