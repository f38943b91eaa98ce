"""What is exchanged with Flip, in Flip's names and units; nothing here talks to it. See docs/flip.md."""

from fleet.flip.control import BatteryCommand, DeviceSetting, Event, EventChanges, FlipCommand, ScheduleItem
from fleet.flip.outcomes import Accepted, Rejected, Unanswered, accepted
from fleet.flip.programs import Enrollment, EnrollmentRequest, FormField, Program, ProgramAttribute
from fleet.flip.reading import read, read_each, read_one
from fleet.flip.refusals import InvalidField, InvalidFields, invalid_fields, read_invalid_fields
from fleet.flip.sites import (
    AlreadyExists,
    Commissioned,
    CommissionRequest,
    Device,
    DeviceAttributes,
    Site,
    SiteChanges,
    read_commissioned,
)
from fleet.flip.telemetry import MAX_POINTS, READINGS, TelemetryPoint, offline_point, read_item_results
from fleet.flip.webhooks import MAX_BODY_BYTES, SETTINGS_APPLY, Envelope, Unrecognized, read_envelope, read_event_object

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_POINTS",
    "READINGS",
    "SETTINGS_APPLY",
    "Accepted",
    "AlreadyExists",
    "BatteryCommand",
    "CommissionRequest",
    "Commissioned",
    "Device",
    "DeviceAttributes",
    "DeviceSetting",
    "Enrollment",
    "EnrollmentRequest",
    "Envelope",
    "Event",
    "EventChanges",
    "FlipCommand",
    "FormField",
    "InvalidField",
    "InvalidFields",
    "Program",
    "ProgramAttribute",
    "Rejected",
    "ScheduleItem",
    "Site",
    "SiteChanges",
    "TelemetryPoint",
    "Unanswered",
    "Unrecognized",
    "accepted",
    "invalid_fields",
    "offline_point",
    "read",
    "read_commissioned",
    "read_each",
    "read_envelope",
    "read_event_object",
    "read_invalid_fields",
    "read_item_results",
    "read_one",
]
