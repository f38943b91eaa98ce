"""One visitor's visit: who they are on this page run, and the cookie that keeps them signed in."""

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import streamlit as st

from fleet.adapters.supabase.sessions import SignedOut
from fleet.errors import FleetError, NotConfigured
from streamlit_app import words
from streamlit_app.cookie import PATH, cookie_name
from streamlit_app.services.accounts import Account, Accounts
from streamlit_app.services.sign_in_caps import Visitor, client_of
from streamlit_app.web_state import session_store, settings

_log = logging.getLogger("fleet.web")
_ACCOUNT, _COOKIE_ORDER, _VISIT = "visit_account", "visit_cookie_order", "visit_id"

# Runs in the page once an order: the cookie itself is set and removed by the server's answer, out of reach of scripts.
_COOKIE_SCRIPT = """
const done = new Set()
export default function ({ data }) {
    if (!data || !data.word || done.has(data.word)) return
    done.add(data.word)
    fetch(data.path, { method: data.method, body: data.method === "POST" ? data.word : undefined,
                       credentials: "same-origin", cache: "no-store" })
}
"""


def accounts() -> Accounts:
    """Signing in and out, by the settings of this process."""
    return Accounts(settings(), session_store())


def account() -> Account | None:
    """Who is signed in, with tokens that hold for this page run; None for nobody. Raises when Supabase is down."""
    held = st.session_state.get(_ACCOUNT)
    try:
        found = accounts().refreshed(held) if held else _from_cookie()
    except SignedOut:
        found = None
    st.session_state[_ACCOUNT] = found
    return found


def present() -> Account:
    """The account of this page run, which `navigation` has looked up."""
    found = st.session_state.get(_ACCOUNT)
    if not isinstance(found, Account):
        raise SignedOut("You are signed out: sign in again.")
    return found


def request_code(email: str) -> str:
    """Have a code mailed; the address as it was used. Raises what `Accounts.request_code` does."""
    return accounts().request_code(email, _visitor())


def sign_in(email: str, code: str) -> None:
    """Spend the mailed code and take the visitor in. Raises what `Accounts.sign_in` does."""
    begin(accounts().sign_in(email, code, _visitor()))


def _visitor() -> Visitor:
    """Whose attempts are counted. The address is the proxy's word where one on this machine says it (docs/app.md)."""
    visit: str = st.session_state.setdefault(_VISIT, secrets.token_urlsafe(16))
    return Visitor(visit, client_of(st.context.ip_address))


def begin(signed_in: Account) -> None:
    """Take the visitor in, and have their browser keep the session over reloads."""
    st.session_state[_ACCOUNT] = signed_in
    ticket = session_store().issue_ticket(signed_in.key, time.time())
    st.session_state[_COOKIE_ORDER] = {"method": "POST", "path": PATH, "word": ticket}


def end() -> None:
    """Sign out here, in every tab and at Supabase; forget what the visit held."""
    held = st.session_state.get(_ACCOUNT)
    st.session_state.clear()
    st.session_state[_COOKIE_ORDER] = {"method": "DELETE", "path": PATH, "word": f"end-{time.time_ns()}"}
    if held:
        with told():
            accounts().sign_out(held)


def keep_cookie() -> None:
    """Have the page carry out the latest order about the cookie; on every run, so that no rerun cuts it off."""
    with st.container(key="session_cookie"):
        _cookie_script()(key="session_cookie_script", data=st.session_state.get(_COOKIE_ORDER, {}))


@lru_cache(maxsize=1)
def _cookie_script() -> Callable[..., object]:
    return st.components.v2.component("fleet_session_cookie", js=_COOKIE_SCRIPT)


@contextmanager
def told() -> Iterator[None]:
    """Show a `FleetError` as its sentence, and go on. What the operator has to mend is logged, not shown."""
    try:
        yield
    except NotConfigured as error:
        _log.error("%s", error)
        say_wrong("This page is not set up yet: what is missing is in the log, for the operator.")
    except FleetError as error:
        say_wrong(words.plain(str(error)))


def say_wrong(sentence: str) -> None:
    """Show what went wrong, Markdown, and whom to ask."""
    address = _support()
    st.error(f"{sentence} If it stays so, ask {words.contact(address)}." if address else sentence)


def show_support() -> None:
    """Where the maker is reached, below whatever page."""
    if address := _support():
        st.caption(f"Questions? {words.contact(address)}")


def _support() -> str:
    try:
        return settings().support_contact
    except NotConfigured:
        return ""


def local_zone() -> ZoneInfo:
    """The visitor's time zone as the browser says, else UTC."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ValueError, OSError):
        return ZoneInfo("UTC")


def now() -> datetime:
    """This moment, in the visitor's time zone."""
    return datetime.now(UTC).astimezone(local_zone())


def _from_cookie() -> Account | None:
    key = st.context.cookies.get(cookie_name(settings()))
    return accounts().resume(key) if isinstance(key, str) and key else None
