"""The last step of registration: the battery is yours; Flip takes it in, or says why not."""

import streamlit as st

from streamlit_app import places, visit, words
from streamlit_app.services import flip, sites
from streamlit_app.services.accounts import Account
from streamlit_app.services.batteries import Battery
from streamlit_app.views.request_progress import show_requests
from streamlit_app.views.site_form import site_form


def show_outcome(account: Account, battery: Battery) -> None:
    """Follow the commissioning, and lead on."""
    st.success(f"**{words.plain(battery.name)}** is yours.")
    if battery.commission_status == "commissioned":
        st.write("Flip knows your battery.")
        _say_programs(account, str(battery.site_id))
    else:
        show_commissioning(account, battery)
    places.link("battery", "See your battery", name=battery.thing_name)


def show_commissioning(account: Account, battery: Battery) -> None:
    """The request to Flip while it is under way; after a failure, correcting the address and trying again."""
    show_requests("commission", thing_name=battery.thing_name)
    if battery.commission_status != "failed" or battery.site_id is None:
        return
    with st.expander("Correct the address", key="commission_site"), visit.told():
        site = next(found for found in sites.my_sites(account) if found.site_id == battery.site_id)
        changed = site_form(site, account.who.email, "Save and try again", key="commission_site")
        if changed is not None:
            sites.save(account, changed)
            flip.commission(account, battery, battery.site_id)
            st.rerun()
    if st.button("Try again", key="commission_again", type="primary"):
        with visit.told():
            flip.commission(account, battery, battery.site_id)
            st.rerun()


def _say_programs(account: Account, site_id: str) -> None:
    offers = flip.my_programs(account, site_id)
    if offers:
        names = ", ".join(words.plain(program.name or program.id) for program in offers)
        st.write(f"There {'is a program' if len(offers) == 1 else 'are programs'} for your home: {names}.")
        places.link("programs", "See the programs and apply")
    else:
        st.write("There is no program at your address yet. We show it under Programs when there is one.")
