"""The demo's households: each signs in with the code that was mailed to it and registers its battery, by the calls that
the web app's pages make."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from psycopg.types.json import Jsonb
from pydantic import SecretStr

from device_agent.registration_url import registration_url
from fleet.adapters import postgres
from fleet.errors import FleetError, Refused, Unavailable
from fleet.registration.refusals import LinkRefusal
from fleet.settings import Settings
from local_cloud.mails import Mailbox
from local_cloud.state import State
from streamlit_app.services import registration, sites
from streamlit_app.services.accounts import Account, Accounts
from streamlit_app.services.sign_in_caps import Visitor
from streamlit_app.session_store import SessionStore

_COMMISSIONED_WITHIN_S = 90.0
_MAIL_WITHIN_S = 15.0
OPERATOR = "operator@example.org"

Say = Callable[[str], None]


def register(settings: Settings, state: State, folders: Sequence[Path], say: Say) -> int:
    """Register each battery that nobody has yet to a household of its own; how many that were.

    What keeps a household from it is said in a line: the others go on.
    """
    settings = settings.model_copy(update={"app_credential": SecretStr(state.secret("app-credential"))})
    made = 0
    for folder in unregistered(settings, folders):
        try:
            _register(settings, _sign_in(settings, state, f"{folder.name}@example.org"), folder)
        except FleetError as error:
            say(f"{folder.name} was not registered: {error}")
        else:
            made += 1
    return made


def unregistered(settings: Settings, folders: Sequence[Path]) -> list[Path]:
    """Those of these batteries that are nobody's yet."""
    taken = _standings(settings, folders)
    return [folder for folder in folders if folder.name not in taken]


def ensure_operator(settings: Settings, state: State, say: Say) -> None:
    """An account that is the operators', so that their pages can be seen: whoever runs the database makes one so."""
    try:
        if not _make_operator(settings):
            _sign_in(settings, state, OPERATOR)
            _make_operator(settings)
    except FleetError as error:
        say(f"there is no operator's account yet, the next start tries again: {error}")


def _make_operator(settings: Settings) -> bool:
    """Give the account its role, also where an earlier start was stopped before that; False if there is none."""
    with postgres.connect(settings) as connection:
        statement = "UPDATE auth.users SET raw_app_meta_data = raw_app_meta_data || %s WHERE email = %s"
        return bool(connection.execute(statement, [Jsonb({"role": "operator"}), OPERATOR]).rowcount)


def commissioned(settings: Settings, folders: Sequence[Path], say: Say) -> list[Path]:
    """Those of these batteries that Flip has, once it has decided on each or time is up; of the others, why not."""
    deadline = time.monotonic() + _COMMISSIONED_WITHIN_S
    while any(one.is_asked for one in _standings(settings, folders).values()) and time.monotonic() < deadline:
        time.sleep(0.5)
    standings = _standings(settings, folders)
    for name, standing in standings.items():
        if not standing.is_commissioned:
            say(f"Flip does not have {name}: {standing.reason}")
    return [folder for folder in folders if folder.name in standings and standings[folder.name].is_commissioned]


@dataclass(frozen=True)
class _Standing:
    """How far a registered battery is with Flip. `is_asked`: Flip is still to be told of it, or at it."""

    commission_status: str
    commission_message: str | None
    has_home: bool
    is_asked: bool

    @property
    def is_commissioned(self) -> bool:
        return self.commission_status == "commissioned"

    @property
    def reason(self) -> str:
        """Why Flip does not have it."""
        if not self.has_home:
            return "its new owner has not said yet where it stands."
        return self.commission_message or "see the runs of process-flip-requests."


def _standings(settings: Settings, folders: Sequence[Path]) -> dict[str, _Standing]:
    """Of each of these batteries that somebody has."""
    statement = (
        "SELECT thing_name, commission_status, commission_message, site_id IS NOT NULL AS has_home, EXISTS ("
        " SELECT FROM fleet.flip_requests AS asked WHERE asked.kind = 'commission'"
        " AND asked.thing_name = mine.thing_name AND asked.owner_id = mine.owner_id"
        " AND asked.status IN ('pending', 'running') AND mine.commission_status <> 'commissioned') AS is_asked "
        "FROM fleet.registrations AS mine WHERE thing_name = ANY(%s) ORDER BY thing_name"
    )
    with postgres.connect(settings) as connection:
        rows = connection.execute(statement, [[folder.name for folder in folders]]).fetchall()
    return {row.pop("thing_name"): _Standing(**row) for row in rows}


def _sign_in(settings: Settings, state: State, address: str) -> Account:
    accounts = Accounts(settings, SessionStore(state.folder / "households.sqlite3"))
    mailbox = Mailbox(settings)
    visitor = Visitor(address)
    accounts.request_code(address, visitor)
    deadline = time.monotonic() + _MAIL_WITHIN_S
    while time.monotonic() < deadline:
        for recipient, code in mailbox.new_codes():
            if recipient == address:
                return accounts.sign_in(address, code, visitor)
        time.sleep(0.05)
    raise Unavailable(f"No code was mailed to {address}: see .fleet/logs/supabase.log.")


def _register(settings: Settings, account: Account, folder: Path) -> None:
    now = datetime.now(UTC)
    token = parse_qs(urlsplit(registration_url(folder, settings.base_url, now)).query)["token"][0]
    checked = registration.check(settings, token, now)
    if isinstance(checked, LinkRefusal):
        raise Refused(checked.sentence)
    home = sites.Site(
        first_name="Home", last_name="Owner", email=account.who.email, street_address="1 Sample Street",
        city="Sample City", state_code="CA", zip_code="88800", service_account_id=folder.name,
    )  # fmt: skip
    registration.bind(settings, account, checked, _site_id(account, home), checked.details, now)


def _site_id(account: Account, home: sites.Site) -> str:
    """The home that the household has from an earlier start, since Flip has its battery there; else a new one."""
    mine = sites.my_sites(account)
    same = next((one for one in mine if one.service_account_id == home.service_account_id), None)
    kept = same or next(iter(mine), None)
    return kept.site_id if kept and kept.site_id else sites.save(account, home)
