"""What operators see and do: the whole fleet, the quarantine, and moving a battery to another account."""

from datetime import datetime

import msgspec

from streamlit_app.services.accounts import Account
from streamlit_app.services.rows import call, call_rows


class FleetRow(msgspec.Struct, frozen=True, kw_only=True):
    """A battery of the fleet. `owner_email` None: not registered. Skew in seconds: received less measured.

    `commission_message`: why Flip does not have it, or not yet, as its owner reads it.
    """

    thing_name: str
    model: str | None = None
    step: str = ""
    is_online: bool = False
    is_fresh: bool = False
    last_seen: datetime | None = None
    clock_skew_s: float | None = None
    owner_email: str | None = None
    commission_status: str | None = None
    commission_message: str | None = None
    state_of_charge_pct: float | None = None
    total_count: int = 0


class QuarantineRow(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that could not be stored, by reason."""

    reason: str
    messages: int = 0
    oldest_at: datetime | None = None
    newest_at: datetime | None = None
    newest_detail: str | None = None
    newest_thing_name: str | None = None


class UnexplainedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A battery that acknowledged a command above the last that it was told."""

    thing_name: str
    claimed_sequence: int = 0
    told_sequence: int = 0
    times: int = 1
    last_at: datetime | None = None


def fleet(account: Account, search: str, limit: int, offset: int) -> list[FleetRow]:
    """A page of the fleet by name; each row counts all that match. Raises `Refused` for who is no operator."""
    printable = "".join(character for character in search if character.isprintable()).strip()
    arguments = {"p_search": printable, "p_limit": limit, "p_offset": offset}
    return call_rows(account.client, "fleet_overview", arguments, FleetRow)


def quarantine(account: Account) -> list[QuarantineRow]:
    """What waits in the quarantine."""
    return call_rows(account.client, "quarantine_overview", {}, QuarantineRow)


def unexplained(account: Account) -> list[UnexplainedRow]:
    """Batteries that obey what we never gave, newest first."""
    return call_rows(account.client, "unexplained_overview", {}, UnexplainedRow)


def transfer(account: Account, thing_name: str, to_email: str) -> None:
    """Give the battery to the account with that address. Recorded with the operator's name."""
    call(account.client, "transfer_device", {"p_thing_name": thing_name, "p_to_email": to_email.strip().lower()})
