"""Checking a registration link and making its battery the account's."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime, tzinfo
from typing import Any

from fleet.adapters.aws.iot_core import IdentityReader
from fleet.errors import FleetError, InvalidInput, NotConfigured, Refused, Unavailable
from fleet.products import model_named
from fleet.registration.link import VerifiedLink, read_claim, verify_link
from fleet.registration.refusals import LinkRefusal
from fleet.settings import Settings
from streamlit_app.services.accounts import Account
from streamlit_app.services.rows import call
from streamlit_app.words import at

_log = logging.getLogger("fleet.web")


@dataclass(frozen=True)
class DeviceDetails:
    """What a battery's label says. Capacity in Wh, powers in W; None or empty: not known."""

    manufacturer_name: str = ""
    product_name: str = ""
    serial_number: str = ""
    install_date: date | None = None
    battery_capacity_wh: float | None = None
    battery_power_input_w: float | None = None
    battery_power_output_w: float | None = None


@dataclass(frozen=True)
class CheckedLink:
    """A link that was good at `checked_at` (UTC), and what is known of its battery."""

    token: str
    link: VerifiedLink
    details: DeviceDetails
    checked_at: datetime

    @property
    def thing_name(self) -> str:
        return self.link.thing_name

    def findings(self, zone: tzinfo | None) -> list[str]:
        """What was verified, one line each, times in `zone`."""
        now = self.checked_at.astimezone(zone)
        return [
            f"The signature fits the certificate {self.link.certificate_id[:16]}… of this battery.",
            "The certificate is in force, and belongs to this battery alone.",
            f"The link was made on {at(self.link.issued_at, now)} for this web page, and is fresh.",
        ]


def check(settings: Settings, token: str, now: datetime) -> CheckedLink | LinkRefusal:
    """Verify a link against its battery's certificate in IoT Core. Raises `Unavailable` when that cannot be asked."""
    claim = read_claim(token)
    if isinstance(claim, LinkRefusal):
        return claim
    with _operators_business():
        identities = IdentityReader(settings)
        link = verify_link(token, settings.base_url, identities.certificate(claim.certificate_id), now)
        if isinstance(link, LinkRefusal):
            return link
        return CheckedLink(token, link, _details(link.thing_name, identities.model(link.thing_name)), now)


def bind(
    settings: Settings, account: Account, checked: CheckedLink, site_id: str, details: DeviceDetails, now: datetime
) -> None:
    """Make the battery the account's; repeated, it changes nothing. Raises what the database refuses, in a sentence.

    The certificate is asked for again, so that one deactivated meanwhile counts; the link's times are judged by when
    it was opened, and the database ends its life an hour after.
    """
    if details.install_date and details.install_date > now.date():
        raise InvalidInput("The installation date cannot be in the future: correct it.")
    if not details.serial_number:
        raise InvalidInput("The serial number is missing: it is on the battery's label.")
    again = check(settings, checked.token, checked.checked_at)
    if isinstance(again, LinkRefusal):
        raise Refused(again.sentence)
    arguments = {**_arguments(settings, again.link), "p_site_id": site_id, "p_device": _document(details)}
    call(account.client, "bind_device", arguments)


def may_bind(settings: Settings, account: Account, checked: CheckedLink) -> None:
    """Raise what `bind` would be refused for, in a sentence, before anybody fills in a form."""
    call(account.client, "may_bind", _arguments(settings, checked.link))


def _arguments(settings: Settings, link: VerifiedLink) -> dict[str, Any]:
    return {
        "p_app_credential": _credential(settings),
        "p_thing_name": link.thing_name,
        "p_certificate_id": link.certificate_id,
        "p_link_id": link.link_id,
        "p_issued_at": link.issued_at.isoformat(),
        "p_expires_at": link.expires_at.isoformat(),
    }


@contextmanager
def _operators_business() -> Iterator[None]:
    """A service or a setting that fails is the operator's to know; the visitor is told to come back."""
    try:
        yield
    except FleetError as error:
        _log.error("A link could not be checked: %s", error)
        raise Unavailable("The link cannot be checked just now: try again in a moment.") from error


def _details(thing_name: str, model_name: str) -> DeviceDetails:
    model = model_named(model_name)
    if model is None:
        return DeviceDetails(product_name=model_name, serial_number=thing_name)
    return DeviceDetails(
        manufacturer_name=model.manufacturer_name,
        product_name=model.product_name,
        serial_number=thing_name,
        battery_capacity_wh=model.capacity_wh,
        battery_power_input_w=model.charge_power_w,
        battery_power_output_w=model.discharge_power_w,
    )


def _document(details: DeviceDetails) -> dict[str, Any]:
    """The details as the database takes them: what is not known is left out."""
    known = {name: value for name, value in asdict(details).items() if value not in (None, "")}
    return known | ({"install_date": details.install_date.isoformat()} if details.install_date else {})


def _credential(settings: Settings) -> str:
    if credential := settings.app_credential.get_secret_value():
        return credential
    raise NotConfigured("FLEET_APP_CREDENTIAL is not set: make one with `fleet app-credential`.")
