"""What a home takes part in, with status and reason, and leaving it."""

from collections.abc import Mapping
from typing import Literal

import streamlit as st

from fleet.flip.programs import Program
from streamlit_app import visit, words
from streamlit_app.services import flip
from streamlit_app.services.accounts import Account
from streamlit_app.services.batteries import Battery, called
from streamlit_app.services.flip import Enrollment
from streamlit_app.services.sites import Site
from streamlit_app.views.program_card import show_facts, show_terms
from streamlit_app.views.request_progress import show_requests

_LOOKS: dict[str, tuple[str, Literal["green", "orange", "red", "gray"]]] = {
    "PENDING": ("Under review", "orange"),
    "ACTIVE": ("Active", "green"),
    "APPROVED": ("Active", "green"),
    "NEEDS_ACTION": ("Needs you", "orange"),
    "REJECTED": ("Rejected", "red"),
    "UNENROLLED": ("Left", "gray"),
}


def show_enrollments(account: Account, site: Site, offers: list[Program], mine: Mapping[str, Battery]) -> None:
    """One card each, with what its program says in `offers`; nothing when there is none."""
    held = [found for found in flip.my_enrollments(account) if found.site_id == site.site_id]
    if held:
        st.subheader("Your programs", anchor=False)
    for enrollment in held:
        program = next((offer for offer in offers if offer.id == enrollment.program_id), None)
        _card(account, enrollment, program, mine)
    show_requests("enroll", site.site_id)
    show_requests("unenroll", site.site_id)


def _card(account: Account, enrollment: Enrollment, program: Program | None, mine: Mapping[str, Battery]) -> None:
    label, colour = _LOOKS.get(enrollment.status, (enrollment.status.replace("_", " ").capitalize(), "gray"))
    with st.container(border=True, key=f"enrollment_{enrollment.enrollment_id}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f"**{words.plain(enrollment.program_name or enrollment.program_id)}**")
            st.badge(words.plain(label), color=colour)
        if enrollment.status_reason:
            st.write(words.plain(enrollment.status_reason))
        if enrollment.status == "REJECTED":
            st.caption("You cannot apply again to a program that has rejected your home.")
        if enrollment.thing_names:
            st.caption("With " + ", ".join(words.plain(called(name, mine)) for name in enrollment.thing_names))
        if program is not None and enrollment.is_open:
            with st.expander("What it pays, and its terms", key=f"joined_{enrollment.enrollment_id}"):
                show_facts(program)
                show_terms(program)
        if enrollment.can_be_left and st.button("Leave the program", key=f"leave_{enrollment.enrollment_id}"):
            with visit.told():
                flip.unenroll(account, enrollment)
                st.rerun()
