"""Registering a battery: its link, who you are, where it stands, what it is, and being set up with Flip.

Every step can fail, says so, keeps what was typed, and can be tried again.
"""

import streamlit as st

from fleet.registration.refusals import LinkRefusal
from streamlit_app import visit, words
from streamlit_app.services import batteries, registration
from streamlit_app.services.accounts import Account
from streamlit_app.services.registration import CheckedLink
from streamlit_app.views.register_battery import ask_for_battery
from streamlit_app.views.register_outcome import show_outcome
from streamlit_app.views.register_site import ask_for_site
from streamlit_app.views.sign_in import require_account
from streamlit_app.web_state import settings

_CHECKED = "register_checked_links"
_MAX_KEPT = 5


def show() -> None:
    """The steps so far, and the one that is next."""
    st.title("Register your battery", anchor=False)
    checked = _checked(st.query_params.get("token", ""))
    if checked is None:
        return
    _say_verified(checked)
    account = require_account("Sign in to make this battery yours.")
    st.markdown(f":green[✓] You are signed in as {words.plain(account.who.email)}.")
    name = checked.thing_name
    mine = next((found for found in batteries.my_batteries(account) if found.thing_name == name), None)
    if mine is not None and mine.site_id is not None:
        show_outcome(account, mine)
        return
    with visit.told():
        registration.may_bind(settings(), account, checked)
        _ask(account, checked)


def _ask(account: Account, checked: CheckedLink) -> None:
    if (site := ask_for_site(account)) is not None:
        ask_for_battery(account, checked, site)


def _checked(token: str) -> CheckedLink | None:
    """The link as it was checked when this visit opened it: whoever fills in the forms has time to do so."""
    kept: dict[str, CheckedLink] = st.session_state.setdefault(_CHECKED, {})
    if token not in kept:
        found = registration.check(settings(), token, visit.now())
        if isinstance(found, LinkRefusal):
            st.error(words.plain(found.sentence))
            return None
        kept[token] = found
        while len(kept) > _MAX_KEPT:
            kept.pop(next(iter(kept)))
    return kept[token]


def _say_verified(checked: CheckedLink) -> None:
    name = words.plain(checked.thing_name)
    st.markdown(f":green[✓] **{name}** is genuine: it signed this link with the key it got in the factory.")
    with st.expander("What was checked", key="register_checked"):
        for line in checked.findings(visit.now().tzinfo):
            st.markdown(f"- {words.plain(line)}")
