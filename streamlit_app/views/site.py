"""Home addresses: see and change them."""

from datetime import UTC, datetime

import streamlit as st

from streamlit_app import visit, words
from streamlit_app.services import batteries, flip, sites
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
            told = _tell_flip(account, site.site_id)
            if told and changed.zip_code != site.zip_code:  # the programs there are others
                flip.refresh_programs(account, site.site_id, visit.now().isoformat(timespec="minutes"))
            st.success("Saved. Flip is being told." if told else "Saved.")
    show_requests("update_site", site.site_id)


def _tell_flip(account: Account, site_id: str) -> bool:
    """Flip hears of a change where it knows the home; where taking a battery in has failed, that is tried again."""
    here = [battery for battery in batteries.my_batteries(account) if battery.site_id == site_id]
    for battery in here:
        if battery.commission_status == "failed":
            flip.commission(account, battery, site_id)
    if any(battery.commission_status == "commissioned" for battery in here):
        flip.update_site(account, site_id, datetime.now(UTC).isoformat(timespec="seconds"))
    return bool(here)
