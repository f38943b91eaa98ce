"""Programs: what a home can take part in, its taking part, and how ready its telemetry is."""

from datetime import datetime, timedelta

import streamlit as st

from fleet.flip.programs import Program
from streamlit_app import places, visit, words
from streamlit_app.services import batteries, flip, sites
from streamlit_app.services.accounts import Account
from streamlit_app.services.batteries import WINDOW_DAYS, Battery, Readiness
from streamlit_app.services.sites import Site
from streamlit_app.views.enrollments import show_enrollments
from streamlit_app.views.program_card import show_program
from streamlit_app.views.request_progress import show_requests
from streamlit_app.views.sign_in import require_account


def show() -> None:
    """For the chosen home: enrollments, programs and readiness."""
    st.title("Programs")
    account = require_account("Sign in to see the programs at your address.")
    found = sites.my_sites(account)
    if not found:
        st.info("Programs depend on your address, which you enter when you register a battery.")
        places.link("home", "How to register one")
        return
    site = _choose(found)
    st.write("A program pays you for letting your battery help the grid at busy hours.")
    offers = flip.my_programs(account, str(site.site_id))
    mine = batteries.by_thing_name(account)
    here = [battery for battery in mine.values() if battery.site_id == site.site_id]
    show_enrollments(account, site, offers or [], mine)
    _offers(account, site, offers, [battery.thing_name for battery in here])
    _readiness(account, here)


def _choose(found: list[Site]) -> Site:
    if len(found) == 1:
        return found[0]
    labels = {site.site_id: site.label for site in found}
    chosen = st.selectbox("Home", list(labels), format_func=lambda site_id: labels[site_id], key="programs_site")
    return next(site for site in found if site.site_id == chosen)


def _offers(account: Account, site: Site, offers: list[Program] | None, thing_names: list[str]) -> None:
    st.subheader("At your address", anchor=False)
    st.caption(words.plain(site.label))
    if offers is None:
        st.info("We have not asked for the programs at this address yet.")
    elif not offers:
        st.info("There is no program for batteries at this address now.")
    joined = {held.program_id for held in flip.my_enrollments(account) if held.site_id == site.site_id and held.is_open}
    applied = flip.newest(flip.my_requests(account), "enroll", site.site_id)
    for program in offers or ():
        if program.id not in joined:
            show_program(account, site, program, thing_names, is_under_way=applied is not None and applied.is_under_way)
    if st.button("Look for programs now", key="programs_refresh"):
        flip.refresh_programs(account, str(site.site_id), visit.now().isoformat(timespec="minutes"))
        st.rerun()
    show_requests("programs", site.site_id)


def _readiness(account: Account, here: list[Battery]) -> None:
    st.subheader("Is your history complete?", anchor=False)
    st.caption("Some programs want a reading in every 5 minutes of the last 30 days.")
    for battery in here:
        with visit.told():
            ready = batteries.readiness(account, battery.thing_name)
            percent = 100 * ready.share
            st.progress(ready.share, text=f"{words.plain(battery.name)}: {percent:.1f} % of 30 days")
            st.caption(completeness(ready, visit.now()))


def completeness(ready: Readiness, now: datetime) -> str:
    """What is missing of a battery's history, in a sentence or two."""
    if ready.is_new and ready.first_interval_at:
        missing = f"{ready.missing_since_first:,} intervals are" if ready.missing_since_first else "nothing is"
        complete = ready.first_interval_at + timedelta(days=WINDOW_DAYS)
        return (
            f"It has reported since {words.at(ready.first_interval_at, now)}, and {missing} missing since then. "
            f"30 days are there on {words.at(complete, now)} at the earliest."
        )
    if not ready.intervals_missing:
        return "Nothing is missing."
    if not ready.intervals_present:
        return "There is no reading of the last 30 days."
    gap = f"{words.at(ready.first_gap_start, now)} to {words.at(ready.first_gap_end, now)}"
    count = f"{ready.intervals_missing:,} of {ready.intervals_expected:,}"
    return f"{count} intervals are missing. The first gap: {gap}."
