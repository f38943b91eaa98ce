"""Home addresses: see and change them."""

from datetime import UTC, datetime

import streamlit as st

from streamlit_app import visit, words
from streamlit_app.services import flip, sites
from streamlit_app.services.accounts import Account
from streamlit_app.services.sites import Site
from streamlit_app.views.request_progress import show_requests
from streamlit_app.views.sign_in import require_account
from streamlit_app.views.site_form import site_form


def show() -> None:
    """A form for each home."""
    st.title("Home address")
    account = require_account("Sign in to see your home address.")
    found = sites.my_sites(account)
    if not found:
        st.info("There is no address yet. You enter it when you register a battery.")
    for site in found:
        with st.expander(words.plain(site.label), expanded=len(found) == 1, key=f"site_{site.site_id}"):
            _edit(account, site)


def _edit(account: Account, site: Site) -> None:
    changed = site_form(site, account.who.email, "Save", key=f"edit_{site.site_id}")
    if changed is not None and site.site_id:
        with visit.told():
            sites.save(account, changed)
            flip.update_site(account, site.site_id, datetime.now(UTC).isoformat(timespec="seconds"))
            st.success("Saved. Flip is being told.")
    show_requests("update_site", site.site_id)
