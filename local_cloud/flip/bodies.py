"""The bodies that the stand-in takes. Unknown fields are passed over, as Flip says of deprecated ones."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from local_cloud.flip.catalog import STATE_CODES


def _in_our_century(at: datetime | None) -> datetime | None:
    if at is not None and not 2000 <= at.year < 2100:
        raise ValueError("is not in this century")
    return at


def _state(code: str | None) -> str | None:
    if code is not None and code not in STATE_CODES:
        raise ValueError("is no two-letter US state code")
    return code


YEAR_S = 366 * 86_400
Seconds = Annotated[float, Field(ge=0, le=YEAR_S)]
"""A span that leads out of no calendar."""
Text = Annotated[str, Field(min_length=1, max_length=1000)]
StateCode = Annotated[str | None, AfterValidator(_state)]
WholePercent = Annotated[int, Field(strict=True, ge=0, le=100)]
Mode = Literal["BACKUP", "CHARGE", "DISCHARGE", "SAVINGS", "SELF_CONSUMPTION", "STANDBY"]
PowerMode = Literal["SETPOINT", "FOLLOW_LOAD"]


class SiteFields(BaseModel):
    first_name: Text | None = None
    last_name: Text | None = None
    company_name: Text | None = None
    email: Text | None = None
    street_address: Text | None = None
    street_address2: str | None = None
    city: Text | None = None
    state_code: StateCode = None
    zip_code: Annotated[str, Field(pattern=r"^\d{5}(-\d{4})?$")] | None = None
    service_account_id: Text | None = None


class SiteBody(SiteFields):
    id: Text


class Attributes(BaseModel):
    battery_capacity_wh: Annotated[int, Field(strict=True, ge=0)]
    battery_power_input_w: Annotated[int, Field(strict=True, ge=0)]
    battery_power_output_w: Annotated[int, Field(strict=True, ge=0)]


class DeviceBody(BaseModel):
    id: Text
    site_id: Text | None = None
    type: Literal["BATTERY", "EV_CHARGER"]
    manufacturer_name: Text
    product_name: Text
    serial_number: Text
    attributes: Attributes
    install_date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}([T ].*)?$")]


class DevicePatch(BaseModel):
    attributes: Attributes


class CommissionBody(BaseModel):
    site: SiteBody
    devices: Annotated[list[DeviceBody], Field(min_length=1, max_length=100)]
    can_auto_enroll: bool | None = None


class SessionBody(BaseModel):
    site: SiteBody
    devices: Annotated[list[DeviceBody], Field(max_length=100)] = []


class AttributeBody(BaseModel):
    name: Text
    value: Annotated[str, Field(strict=True, max_length=1000)]


class EnrollmentBody(BaseModel):
    device_ids: Annotated[list[Text], Field(min_length=1)]
    program_id: Text
    enroll_method: Literal["USER_ACTION", "AUTO_ENROLL"]
    has_agreed_to_terms_and_conditions: bool | None = None
    terms_and_conditions_version: str | None = None
    program_specific_attributes: list[AttributeBody] = []


class TelemetryBody(BaseModel):
    telemetry: Annotated[list[Any], Field(max_length=1000)]


class CountersBody(BaseModel):
    telemetry: Annotated[list[dict[str, Any]], Field(max_length=1000)]


class AcknowledgementBody(BaseModel):
    """`FAILED` is the older word for either of the two that say why."""

    device_status: Literal["OK", "FAILED", "FAILED_OFFLINE", "FAILED_FAULT"]
    device_status_reason: Annotated[str, Field(max_length=1000)] | None = None


class DeviceSettingBody(BaseModel):
    device_id: Text
    backup_reserve_percentage: WholePercent | None = None
    maximum_charge_percentage: WholePercent | None = None


class EventPatch(BaseModel):
    is_participating: bool | None = None
    device_settings: list[DeviceSettingBody] | None = None


class NewEvent(BaseModel):
    """What the admin surface makes commands of. Without `device_ids`: for every device."""

    starts_at: Annotated[datetime | None, AfterValidator(_in_our_century)] = None
    start_in_s: Annotated[float, Field(ge=-YEAR_S, le=YEAR_S)] = 120
    duration_s: Annotated[float, Field(gt=0, le=YEAR_S)]
    mode: Mode
    power_mode: PowerMode | None = None
    setpoint_w: Annotated[int, Field(gt=0)] | None = None
    backup_reserve_percentage: Annotated[int, Field(ge=0, le=100)] | None = None
    enable_grid_import: bool | None = None
    is_preparatory_action: bool = False
    device_ids: Annotated[list[Text], Field(min_length=1)] | None = None
