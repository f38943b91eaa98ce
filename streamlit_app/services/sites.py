"""Homes: the address that a battery stands at and the utility account that programs ask for."""

import re
import unicodedata

import msgspec

from streamlit_app.services.accounts import Account
from streamlit_app.services.rows import call, read_view

MAX_CHARACTERS = 200
_ZIP_CODE = re.compile(r"[0-9]{5}(-[0-9]{4})?")
STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DE": "Delaware", "DC": "District of Columbia", "FL": "Florida", "GA": "Georgia",
    "HI": "Hawaii", "ID": "Idaho", "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas",
    "KY": "Kentucky", "LA": "Louisiana", "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan",
    "MN": "Minnesota", "MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada",
    "NH": "New Hampshire", "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York", "NC": "North Carolina",
    "ND": "North Dakota", "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania",
    "RI": "Rhode Island", "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas",
    "UT": "Utah", "VT": "Vermont", "VA": "Virginia", "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin",
    "WY": "Wyoming",
}  # fmt: skip
"""By their codes, as Flip and the database have them."""


_REQUIRED = {
    "first_name": "first name",
    "last_name": "last name",
    "street_address": "street and number",
    "city": "city",
    "state_code": "state",
    "zip_code": "zip code",
}


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


def problems(site: Site) -> dict[str, str]:
    """What has to be corrected before the site can be saved, a sentence by field; the database checks again."""
    found = {name: f"Enter the {label}." for name, label in _REQUIRED.items() if not getattr(site, name)}
    if site.zip_code and not _ZIP_CODE.fullmatch(site.zip_code):
        found["zip_code"] = "A zip code has five digits, such as 94105."
    for name, value in msgspec.structs.asdict(site).items():
        label = _REQUIRED.get(name, name.replace("_", " "))
        if len(value or "") > MAX_CHARACTERS:
            found[name] = f"Shorten the {label} to {MAX_CHARACTERS} characters."
        if any(unicodedata.category(character) == "Cc" for character in value or ""):
            found[name] = f"Remove the line break or control character from the {label}."
    return found


def save(account: Account, site: Site) -> str:
    """Store a new or changed site; its id. Raises `InvalidInput` with what the database found wrong."""
    fields = msgspec.structs.asdict(site)
    return str(call(account.client, "save_site", {"p_site_id": fields.pop("site_id"), "p_site": fields}))
