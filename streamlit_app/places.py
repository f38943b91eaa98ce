"""The app's pages by name, so that one page can lead to another."""

from typing import NoReturn

import streamlit as st
from streamlit.navigation.page import Page

_PLACES = "places"


def remember(pages: dict[str, Page]) -> None:
    """Set by `navigation` on each run."""
    st.session_state[_PLACES] = pages


def go(page: str, /, **query: str) -> NoReturn:
    """Leave for the page of that name."""
    st.switch_page(st.session_state[_PLACES][page], query_params=query)


def link(page: str, label: str, /, **query: str) -> None:
    """A link to the page of that name. `label` is our own words."""
    st.page_link(st.session_state[_PLACES][page], label=f":primary[{label}]", query_params=query)
