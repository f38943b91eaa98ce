"""One battery: power now, history, the record of its registration, and giving it up."""

import streamlit as st

from streamlit_app import places, power_flow, visit, words
from streamlit_app.services import batteries, flip
from streamlit_app.services.accounts import Account
from streamlit_app.services.batteries import NAME_CHARACTERS, Battery, Freshness, freshness
from streamlit_app.views.battery_energy import show_energy
from streamlit_app.views.battery_history import show_history
from streamlit_app.views.freshness_badge import show_freshness
from streamlit_app.views.looking import look_at
from streamlit_app.views.register_outcome import show_commissioning
from streamlit_app.views.register_site import ask_for_site
from streamlit_app.views.registration_record import show_record
from streamlit_app.views.sign_in import require_account

_EVERY_S = 5
_SKEW_WORTH_SAYING_S = 120


def show() -> None:
    """The battery that the address or the choice names."""
    account = require_account("Sign in to see your battery.")
    found = batteries.my_batteries(account)
    if not found:
        st.title("Battery")
        st.info("There is no battery in your account yet.")
        places.link("home", "How to register one")
        return
    battery = _choose(found)
    st.title(words.plain(battery.name), anchor=False)
    _commissioning(account, battery)
    _live(battery.thing_name)
    show_history(account, battery)
    show_energy(battery)
    _record(account, battery)
    _name(account, battery)
    _release(account, battery)


def _choose(found: list[Battery]) -> Battery:
    names = [battery.thing_name for battery in found]
    asked = st.query_params.get("name", "")
    index = names.index(asked) if asked in names else 0
    if len(names) > 1:
        shown = {battery.thing_name: battery.name for battery in found}
        index = names.index(st.selectbox("Battery", names, index, format_func=shown.__getitem__, key="battery_choice"))
    st.query_params["name"] = names[index]
    return found[index]


def _commissioning(account: Account, battery: Battery) -> None:
    if battery.site_id is None:
        st.info("This battery was moved to your account. Tell us where it is installed, so that Flip can add it.")
        if (site := ask_for_site(account)) is not None:
            flip.commission(account, battery, str(site.site_id))
            st.rerun()
    elif battery.commission_status != "commissioned":
        show_commissioning(account, battery)


@st.fragment(run_every=_EVERY_S)
def _live(thing_name: str) -> None:
    with visit.told():
        if (account := visit.account()) is None:
            st.rerun()
        battery = next((found for found in batteries.my_batteries(account) if found.thing_name == thing_name), None)
        if battery is None:
            st.rerun()
        look_at(account, [battery.thing_name], visit.now())
        with st.container(border=True, key="live"):
            with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                st.subheader("Now", anchor=False)
                show_freshness(battery, visit.now())
            if battery.has_reported:
                _readings(battery)
            else:
                st.write("It has not reported yet. Check that it is switched on and connected to the internet.")


def _readings(battery: Battery) -> None:
    power_flow.show(battery)
    st.write(power_flow.describe(battery))
    with st.container(horizontal=True):
        stored, capacity = words.energy(battery.battery_stored_energy_wh), battery.battery_capacity_energy_wh
        st.metric("Stored", stored, help=f"It holds {words.energy(capacity)} when full.")
        st.metric("Kept for outages", words.share(battery.backup_reserve_pct))
        st.metric("Model", battery.model or "unknown")
    measured = words.at(battery.measured_at, visit.now())
    st.caption(f"{words.mode(battery.mode)}. Measured {measured}, {visit.local_zone()}.")
    if freshness(battery.last_seen, battery.measured_at, visit.now()) is Freshness.CATCHING_UP:
        st.caption("It sends what it measured while it was out of reach; or its clock is slow, if this stays so.")
    elif abs(skew := battery.clock_skew_s or 0) >= _SKEW_WORTH_SAYING_S:
        side = "behind" if skew > 0 else "ahead"
        st.caption(f"The battery's clock seems to be about {words.duration(skew)} {side}.")


def _record(account: Account, battery: Battery) -> None:
    with st.expander("How we know that it is yours", key="record"), visit.told():
        show_record(batteries.registration_record(account, battery.thing_name), visit.now())


def _name(account: Account, battery: Battery) -> None:
    thing_name = battery.thing_name
    with st.expander("Give it a name", key="name"), st.form(f"name_form_{thing_name}", border=False), visit.told():
        given = st.text_input(
            "Name", battery.own_name or "", max_chars=NAME_CHARACTERS, placeholder=thing_name,
            key=f"name_given_{thing_name}",
        )  # fmt: skip
        if st.form_submit_button("Call it so", key="name_submit"):
            batteries.name_battery(account, thing_name, given)
            st.rerun()


def _release(account: Account, battery: Battery) -> None:
    with st.expander("Give this battery up", key="release"):
        st.write(
            "Do this when you move or sell the battery. It leaves your account with its history, and whoever has the "
            "battery can register it with a new link. Leave its programs first."
        )
        sure = st.checkbox("I want to give it up", key=f"release_sure_{battery.thing_name}")
        if st.button("Give it up", key="release_confirm", disabled=not sure):
            batteries.release(account, battery.thing_name)
            places.go("home")
