"""For operators: the dispatches, and what became of Flip's webhooks."""

import math

import streamlit as st

from streamlit_app import places, visit, words
from streamlit_app.services import dispatches
from streamlit_app.services.accounts import Account
from streamlit_app.services.dispatches import Dispatch
from streamlit_app.spreadsheets import Table, show_table
from streamlit_app.views.sign_in import require_account

_EVERY_S = 10
_PAGE_ROWS = 25
_PAGE = "dispatches_page"
_SEEN = {
    "asked": "devices", "acknowledged": "acknowledged", "running": "running", "done": "done", "failed": "failed",
    "opted out": "opted_out", "canceled": "canceled", "superseded": "superseded", "expired": "expired",
    "told to Flip": "reported", "late": "reported_late",
}  # fmt: skip


def show() -> None:
    """The latest dispatches, a page at a time."""
    st.title("Dispatches")
    account = require_account("Sign in with an operator's account.")
    if not account.is_operator:
        st.error("This page is for operators.")
        return
    _list()
    _webhooks(account)


@st.fragment(run_every=_EVERY_S)
def _list() -> None:
    with visit.told():
        if (account := visit.account()) is None:
            st.rerun()
        offset = (int(st.session_state.get(_PAGE, 1)) - 1) * _PAGE_ROWS
        rows = dispatches.overview(account, _PAGE_ROWS, offset)
        if not rows:
            st.info("Flip has sent no command yet. With the embedded stand-in, `fleet flip event` makes an event.")
            return
        for row in rows:
            _row(row)
        if rows[0].total_count > _PAGE_ROWS:
            st.pagination(math.ceil(rows[0].total_count / _PAGE_ROWS), key=_PAGE)


def _row(row: Dispatch) -> None:
    ends_at = row.ends_at.isoformat() if row.ends_at else ""
    with st.container(border=True, key=f"dispatch_{row.starts_at.timestamp()}_{ends_at}_{row.mode}"):
        title = f"{words.span(row.starts_at, row.ends_at, visit.now())} · {row.mode}"
        places.link("dispatch", words.plain(title), starts_at=row.starts_at.isoformat(), ends_at=ends_at, mode=row.mode)
        figures = [f"{getattr(row, field):,} {label}" for label, field in _SEEN.items() if getattr(row, field)]
        st.caption(" · ".join(figures))


def _webhooks(account: Account) -> None:
    st.subheader("Webhooks of the last 7 days", anchor=False)
    rows = dispatches.webhooks(account)
    if not rows:
        st.caption("None came.")
        return
    refused = sum(row.webhooks for row in rows if row.outcome.startswith("refused"))
    st.caption(f"{refused:,} refused: forged, stale or not readable. Their bodies are in the database, not here.")
    table: Table = {
        "Outcome": [row.outcome.replace("_", " ") for row in rows],
        "Webhooks": [row.webhooks for row in rows],
        "Newest": [words.ago(row.newest_at, visit.now()) for row in rows],
        "What the newest one said": [row.newest_detail or "" for row in rows],
    }
    show_table(table, "webhooks_table", "Webhooks by outcome")
