"""The web app's server: `streamlit run streamlit_app/app.py`. The pages are in `navigation.py`."""

import logging
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from fleet import logs
from fleet.settings import get_settings, load_environment, secrets_of_environment
from streamlit_app import views, visit
from streamlit_app.cookie import OwnPagesOnly, session_routes
from streamlit_app.security_headers import SecurityHeaders
from streamlit_app.web_state import session_store

load_environment()
if get_settings().log_format == "json":
    logs.configure("json", logging.WARNING, secrets_of_environment)
    logs.have_all_speak_json(secrets_of_environment)
views.load()  # or the first visitor waits seconds for the imports
_log = logging.getLogger("fleet.web")


def _own_fault(error: Exception) -> bool:
    """An error of ours, on a page: the log gets the trace, the visitor a sentence."""
    _log.error("A page failed.", exc_info=error)
    visit.say_wrong("Something went wrong on our side. Try again in a moment.")
    return True


app = st.App(
    Path(__file__).with_name("navigation.py"),
    routes=session_routes(get_settings(), session_store),
    middleware=[Middleware(SecurityHeaders), Middleware(OwnPagesOnly, settings=get_settings())],
    on_script_error=_own_fault,
)
