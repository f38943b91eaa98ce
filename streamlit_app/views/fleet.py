"""For operators: all batteries, what is quarantined, and moving a battery to another account."""

import math

import streamlit as st

from streamlit_app import visit, words
from streamlit_app.services import operators
from streamlit_app.services.accounts import Account
from streamlit_app.services.operators import FleetRow
from streamlit_app.spreadsheets import Table, show_table
from streamlit_app.views.sign_in import require_account

_PAGE_ROWS = 50
_MAX_SEARCH_CHARACTERS = 128


def show() -> None:
    """The fleet, a page at a time."""
    st.title("Fleet")
    account = require_account("Sign in with an operator's account.")
    if not account.is_operator:
        st.error("This page is for operators.")
        return
    search = st.text_input("Search by name or owner", key="fleet_search", max_chars=_MAX_SEARCH_CHARACTERS)
    offset = (int(st.session_state.get(_page_key(search), 1)) - 1) * _PAGE_ROWS
    rows = operators.fleet(account, search[:_MAX_SEARCH_CHARACTERS], _PAGE_ROWS, offset)
    _unexplained(account)
    _table(rows, search)
    _transfer(account)
    _quarantine(account)


def _page_key(search: str) -> str:
    """Another search begins at its first page."""
    return f"fleet_page_of_{search}"


def _table(rows: list[FleetRow], search: str) -> None:
    if not rows:
        st.info("No battery matches." if search else "There is no battery yet: start the flow provision-devices.")
        return
    total = rows[0].total_count
    noun = "battery" if total == 1 else "batteries"
    st.caption(f"{total:,} {noun}. Online: heard of in the last 5 minutes. Fresh: and measured just before that.")
    now = visit.now()
    table: Table = {
        "Battery": [row.thing_name for row in rows],
        "Online": ["yes" if row.is_online else "no" for row in rows],
        "Fresh": ["yes" if row.is_fresh else "no" for row in rows],
        "Last seen": [words.ago(row.last_seen, now) for row in rows],
        "Charge": [words.share(row.state_of_charge_pct) for row in rows],
        "Clock skew (s)": [_seconds(row.clock_skew_s) for row in rows],
        "Owner": [row.owner_email or "not registered" for row in rows],
        "Flip": [row.commission_status or "" for row in rows],
        "Why not": [row.commission_message or "" for row in rows],
    }
    columns = {"Clock skew (s)": st.column_config.TextColumn(help="Received less measured: above 0 its clock is slow.")}
    show_table(table, "fleet_table", f"{len(rows)} batteries", column_config=columns)
    if total > _PAGE_ROWS:
        st.pagination(math.ceil(total / _PAGE_ROWS), key=_page_key(search))


def _seconds(skew_s: float | None) -> str:
    return "" if skew_s is None else f"{skew_s:.1f}"


def _transfer(account: Account) -> None:
    with st.expander("Move a battery to another account", key="transfer"):
        st.caption("For an owner who cannot release it. The new owner must have signed in once. It is recorded.")
        with st.form("transfer_form", border=False):
            thing_name = st.text_input("Battery", key="transfer_battery", max_chars=128).strip()
            email = st.text_input("Address of the new owner", key="transfer_email", max_chars=254).strip()
            submitted = st.form_submit_button("Move it", key="transfer_submit")
        if submitted and not (thing_name and email):
            st.error("Enter the battery's name and the new owner's address.")
        elif submitted:
            with visit.told():
                operators.transfer(account, thing_name, email)
                st.success("Moved and recorded.")


def _unexplained(account: Account) -> None:
    rows = operators.unexplained(account)
    if not rows:
        return
    st.error(
        "These batteries acknowledge commands that were never given here: the database was set back, or somebody else "
        "commands them. Look who may publish to their topics, and revoke what you do not know.",
        icon=":material/warning:",
    )
    now = visit.now()
    table: Table = {
        "Battery": [row.thing_name for row in rows],
        "It has command": [row.claimed_sequence for row in rows],
        "It was told": [row.told_sequence for row in rows],
        "Times": [row.times for row in rows],
        "Last": [words.ago(row.last_at, now) for row in rows],
    }
    show_table(table, "unexplained_table", "Batteries that obey what was never given")


def _quarantine(account: Account) -> None:
    st.subheader("Quarantine", anchor=False)
    rows = operators.quarantine(account)
    if not rows:
        st.caption("Every message that arrived could be stored.")
        return
    now = visit.now()
    st.caption("Messages that could not be stored, whole. The flow replay-quarantine tries them again.")
    table: Table = {
        "Reason": [row.reason for row in rows],
        "Messages": [row.messages for row in rows],
        "Newest": [words.ago(row.newest_at, now) for row in rows],
        "From": [row.newest_thing_name or "unknown" for row in rows],
        "What the newest one said": [row.newest_detail or "" for row in rows],
    }
    show_table(table, "quarantine_table", "Quarantined messages by reason")
