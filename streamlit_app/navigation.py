"""The pages and who sees which. Runs once for every visitor and every interaction."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page

from streamlit_app import places, visit
from streamlit_app.views import battery, confirm, dispatch, dispatches, events, fleet, home, programs, register, site
from streamlit_app.views.sign_in import show_account

_WIDE = {"fleet", "dispatches", "dispatch"}

st.html(Path(__file__).with_name("style.css"))
visit.keep_cookie()

account = None
with visit.told():
    account = visit.account()


def _page(show: Callable[[], None], title: str, url_path: str, *, shown: bool, default: bool = False) -> Page:
    """A page that is always there, so that no link ends at "Page not found", and in the menu for whom it is for."""
    return st.Page(show, title=title, url_path=url_path, default=default, visibility="visible" if shown else "hidden")


signed_in, operator = account is not None, account is not None and account.is_operator
pages = {
    "home": _page(home.show, "My batteries", "home", shown=True, default=True),
    "battery": _page(battery.show, "Battery", "battery", shown=signed_in),
    "programs": _page(programs.show, "Programs", "programs", shown=signed_in),
    "events": _page(events.show, "Events", "events", shown=signed_in),
    "site": _page(site.show, "Home address", "site", shown=signed_in),
    "fleet": _page(fleet.show, "Fleet", "fleet", shown=operator),
    "dispatches": _page(dispatches.show, "Dispatches", "dispatches", shown=operator),
    "dispatch": _page(dispatch.show, "Dispatch", "dispatch", shown=False),
    "register": _page(register.show, "Register a battery", "register", shown=False),
    "confirm": _page(confirm.show, "Sign in", "confirm", shown=False),
}
places.remember(pages)

page = st.navigation(list(pages.values()), position="top")
# Once a run: of two layouts in one run the browser may keep the first.
st.set_page_config(
    page_title="Home battery",
    page_icon=str(Path(__file__).with_name("images") / "battery.png"),
    layout="wide" if page.url_path in _WIDE else "centered",
)
show_account(account)
body = st.container()
visit.show_support()  # below, and before the page: that may end the run
with body, visit.told():
    page.run()
