"""Homes: the address that a battery stands at and the utility account that programs ask for."""

import re
import unicodedata

import msgspec

from streamlit_app.services.accounts import Account
from streamlit_app.services.rows import call, read_view

MAX_CHARACTERS = 200
_ZIP_CODE = re.compile(r"[0-9]{5}(-[0-9]{4})?")
STATES = (
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY",
    "LA", "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH",
    "OK", "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY",
)  # fmt: skip


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """A home in the US. `service_account_id` is the account number on the utility's bill."""

    site_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    street_address: str | None = None
    street_address2: str | None = None
    city: str | None = None
    state_code: str | None = None
    zip_code: str | None = None
    service_account_id: str | None = None

    @property
    def label(self) -> str:
        """The address in one line."""
        region = f"{self.state_code or ''} {self.zip_code or ''}".strip()
        return ", ".join(part for part in (self.street_address, self.city, region) if part) or "Home without address"


def my_sites(account: Account) -> list[Site]:
    """The account's homes."""
    return read_view(account.client, "my_sites", Site, "site_id")


def problems(site: Site) -> list[str]:
    """What has to be corrected before the site can be saved, one sentence each; the database checks again."""
    required = {
        "first name": site.first_name, "last name": site.last_name, "street and number": site.street_address,
        "city": site.city, "state": site.state_code, "zip code": site.zip_code,
    }  # fmt: skip
    found = [f"Enter the {name}." for name, value in required.items() if not value]
    if site.zip_code and not _ZIP_CODE.fullmatch(site.zip_code):
        found.append("A zip code has five digits, such as 94105.")
    for name, value in msgspec.structs.asdict(site).items():
        label = name.replace("_", " ")
        if len(value or "") > MAX_CHARACTERS:
            found.append(f"Shorten the {label} to {MAX_CHARACTERS} characters.")
        if any(unicodedata.category(character) == "Cc" for character in value or ""):
            found.append(f"Remove the line break or control character from the {label}.")
    return found


def save(account: Account, site: Site) -> str:
    """Store a new or changed site; its id. Raises `InvalidInput` with what the database found wrong."""
    fields = msgspec.structs.asdict(site)
    return str(call(account.client, "save_site", {"p_site_id": fields.pop("site_id"), "p_site": fields}))
