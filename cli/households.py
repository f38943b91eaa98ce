"""The demo's households: each signs in with the code that was mailed to it and registers its battery, by the calls that
the web app's pages make."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from psycopg.types.json import Jsonb
from pydantic import SecretStr

from device_agent.registration_url import registration_url
from fleet.adapters import postgres
from fleet.errors import Refused, Unavailable
from fleet.link_refusals import LinkRefusal
from fleet.settings import Settings
from local_cloud.mails import Mailbox
from local_cloud.state import State
from streamlit_app.services import registration, sites
from streamlit_app.services.accounts import Account, Accounts
from streamlit_app.session_store import SessionStore

_COMMISSIONED_WITHIN_S = 90.0
_MAIL_WITHIN_S = 15.0
OPERATOR = "operator@example.org"


def register(settings: Settings, state: State, folders: Sequence[Path]) -> int:
    """Register each battery that nobody has yet to a household of its own; how many that were."""
    settings = settings.model_copy(update={"app_credential": SecretStr(state.secret("app-credential"))})
    free = unregistered(settings, folders)
    for folder in free:
        _register(settings, _sign_in(settings, state, f"{folder.name}@example.org"), folder)
    return len(free)


def unregistered(settings: Settings, folders: Sequence[Path]) -> list[Path]:
    """Those of these batteries that are nobody's yet."""
    taken = _registered(settings)
    return [folder for folder in folders if folder.name not in taken]


def ensure_operator(settings: Settings, state: State) -> None:
    """An account that is the operators', so that their pages can be seen: whoever runs the database makes one so."""
    with postgres.connect(settings) as connection:
        known = connection.execute("SELECT FROM auth.users WHERE email = %s", [OPERATOR]).rowcount
    if known:
        return
    _sign_in(settings, state, OPERATOR)
    with postgres.connect(settings) as connection:
        connection.execute(
            "UPDATE auth.users SET raw_app_meta_data = raw_app_meta_data || %s WHERE email = %s",
            [Jsonb({"role": "operator"}), OPERATOR],
        )


def wait_until_commissioned(settings: Settings, folders: Sequence[Path]) -> None:
    """Until Flip knows every one of these batteries. Raises `Unavailable` naming the first that it does not."""
    deadline = time.monotonic() + _COMMISSIONED_WITHIN_S
    while waiting := [folder.name for folder in folders if _registered(settings).get(folder.name) != "commissioned"]:
        if time.monotonic() > deadline:
            raise Unavailable(f"Flip did not take {waiting[0]} in: see the runs of process-flip-requests.")
        time.sleep(0.5)


def _registered(settings: Settings) -> dict[str, str]:
    """How far each registered battery is with Flip."""
    with postgres.connect(settings) as connection:
        rows = connection.execute("SELECT thing_name, commission_status FROM fleet.registrations")
        return {row["thing_name"]: row["commission_status"] for row in rows}


def _sign_in(settings: Settings, state: State, address: str) -> Account:
    accounts = Accounts(settings, SessionStore(state.folder / "households.sqlite3"))
    mailbox = Mailbox(settings.aws_endpoint_url)
    accounts.request_code(address, visit=address)
    deadline = time.monotonic() + _MAIL_WITHIN_S
    while time.monotonic() < deadline:
        for recipient, code in mailbox.new_codes():
            if recipient == address:
                return accounts.sign_in(address, code)
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
    registration.bind(settings, account, checked, sites.save(account, home), checked.details, now)
