"""The step of registration that asks where the battery stands."""

import uuid

import streamlit as st

from streamlit_app import visit, words
from streamlit_app.services import sites
from streamlit_app.services.accounts import Account
from streamlit_app.services.sites import Site
from streamlit_app.views.site_form import site_form

_CHOSEN, _NEW = "register_site_id", "register_new_site_id"
_OTHER = "another"


def ask_for_site(account: Account) -> Site | None:
    """The home that was chosen or entered, or None while the form waits."""
    found = sites.my_sites(account)
    chosen = next((site for site in found if site.site_id == st.session_state.get(_CHOSEN)), None)
    if chosen is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":green[✓] It is installed at {words.plain(chosen.label)}.")
            st.button("Change", key="register_site_change", type="tertiary", on_click=_reopen)
        return chosen
    with st.container(border=True, key="register_site"):
        st.subheader("Where is it installed?", anchor=False)
        if not found or _choose(found) == _OTHER:
            _enter(account)
    return None


def _choose(found: list[Site]) -> str:
    labels = {str(site.site_id): site.label for site in found} | {_OTHER: "Another address"}
    choice = st.radio("Home", list(labels), format_func=lambda choice: labels[choice], key="register_site_choice")
    if choice != _OTHER and st.button("Use this address", key="register_site_use", type="primary"):
        st.session_state[_CHOSEN] = choice
        st.rerun()
    return choice


def _enter(account: Account) -> None:
    # The form brings its own id, so that sending it twice makes one home.
    new_id = st.session_state.setdefault(_NEW, str(uuid.uuid4()))
    typed = site_form(Site(site_id=new_id), account.who.email, "Save the address", key="register_site")
    if typed is not None:
        with visit.told():
            st.session_state[_CHOSEN] = sites.save(account, typed)
            del st.session_state[_NEW]
            st.rerun()


def _reopen() -> None:
    st.session_state.pop(_CHOSEN, None)
