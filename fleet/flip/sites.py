"""Homes and their devices, and how both are made known to Flip (`POST /v1/commission`)."""

from dataclasses import dataclass

import msgspec

from fleet.flip.ids import Id
from fleet.flip.outcomes import Rejected, accepted
from fleet.flip.programs import Enrollment, Program
from fleet.flip.reading import read, read_each

Change = str | msgspec.UnsetType | None
"""`UNSET` (the default) leaves a field as it is, None empties it."""


class Site(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A home. `id` is ours and all that Flip requires; `state_code` is a two-letter US state, which Flip checks."""

    id: Id
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    street_address: str | None = None
    street_address2: str | None = None
    city: str | None = None
    state_code: str | None = None
    zip_code: str | None = None
    service_account_id: str | None = None


class SiteChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a site."""

    first_name: Change = msgspec.UNSET
    last_name: Change = msgspec.UNSET
    email: Change = msgspec.UNSET
    street_address: Change = msgspec.UNSET
    street_address2: Change = msgspec.UNSET
    city: Change = msgspec.UNSET
    state_code: Change = msgspec.UNSET
    zip_code: Change = msgspec.UNSET
    service_account_id: Change = msgspec.UNSET


class DeviceAttributes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a battery can hold (Wh) and take or give (W), as its label says: whole numbers when sent, none negative."""

    battery_capacity_wh: float | None = None
    battery_power_input_w: float | None = None
    battery_power_output_w: float | None = None


class Device(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A battery. `id` is the thing name; `type` is BATTERY or EV_CHARGER; `install_date` is ISO 8601 text.

    To be sent it has all of them (`fleet.flip.commissioning`); of what Flip answers only `id` and `type` are sure.
    """

    id: Id
    type: str
    site_id: Id | None = None
    manufacturer_name: str | None = None
    product_name: str | None = None
    serial_number: str | None = None
    attributes: DeviceAttributes | None = None
    install_date: str | None = None


class CommissionRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A site with its devices. `can_auto_enroll`: Flip may enroll them in a program that needs no consent."""

    site: Site
    devices: tuple[Device, ...]
    can_auto_enroll: bool | None = None


@dataclass(frozen=True)
class Commissioned:
    """Flip's answer: the programs that match the site, and the enrollment when it made one; `odd` is unreadable."""

    programs: tuple[Program, ...] = ()
    enrollment: Enrollment | None = None
    odd: tuple[Rejected, ...] = ()


def read_commissioned(answer: object) -> Commissioned:
    """Read the answer to a commissioning that succeeded; what is odd in it undoes nothing."""
    body = answer if isinstance(answer, dict) else {}
    programs = read_each(Program, body.get("programs") or [], "programs")
    enrollments = [read(Enrollment, body["enrollment"])] if body.get("enrollment") else []
    return Commissioned(
        tuple(accepted(programs)),
        next(iter(accepted(enrollments)), None),
        tuple(odd for odd in (*programs, *enrollments) if isinstance(odd, Rejected)),
    )


@dataclass(frozen=True)
class AlreadyExists:
    """Flip has the site or a device already, and made nothing. `detail` is Flip's own sentence."""

    detail: str
