"""What became of a request to Flip, followed while it is under way."""

import streamlit as st

from streamlit_app import visit, words
from streamlit_app.services import flip
from streamlit_app.services.flip import FlipRequest

_EVERY_S = 2
_DOING = {
    "commission": "Setting up your battery with Flip",
    "programs": "Looking for programs at your address",
    "enroll": "Applying for the program",
    "unenroll": "Leaving the program",
    "update_site": "Telling Flip about your address",
    "change_event": "Telling Flip what you chose for the event",
}


def show_requests(
    kind: str, site_id: str | None = None, thing_name: str | None = None, event_id: str | None = None
) -> None:
    """The newest request of a kind for a home, a battery or an event; the page runs again when it is done."""
    with visit.told():
        newest = flip.newest(flip.my_requests(visit.present()), kind, site_id, thing_name, event_id)
        if newest is not None and newest.is_under_way:
            _follow(kind, site_id, thing_name, event_id)
        elif newest is not None and newest.status == "failed":
            show_failure(newest)


@st.fragment(run_every=_EVERY_S)
def _follow(kind: str, site_id: str | None, thing_name: str | None, event_id: str | None) -> None:
    with visit.told():
        if (account := visit.account()) is None:
            st.rerun()
        newest = flip.newest(flip.my_requests(account), kind, site_id, thing_name, event_id)
        if newest is None or not newest.is_under_way:
            st.rerun()
        st.info(f"{_DOING[kind]} … this page goes on by itself.")
        if newest.message:
            st.caption(words.plain(newest.message))


def show_failure(request: FlipRequest) -> None:
    """Why it failed, and which fields Flip named."""
    st.error(f"{_DOING.get(request.kind, 'The request')} did not work. {words.plain(request.message or '')}")
    for field in request.problem_fields or ():
        st.markdown(f"- {words.plain(field.name.replace('_', ' '))}: {words.plain(field.problem)}")
