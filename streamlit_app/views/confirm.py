"""Where a mailed link leads. Opening it spends nothing, because mail scanners open links; the button does."""

import streamlit as st

from streamlit_app import places, visit
from streamlit_app.services.accounts import LINK_KINDS

_MAX_HASH_CHARACTERS = 200


def show() -> None:
    """Ask for the click that signs in."""
    st.title("Sign in")
    token_hash, kind = st.query_params.get("token_hash", ""), st.query_params.get("type", "")
    if not (0 < len(token_hash) <= _MAX_HASH_CHARACTERS) or kind not in LINK_KINDS:
        st.error("This link is not complete: open it from the mail again, or enter the code from the mail.")
        return
    st.write("You asked to sign in with your e-mail address. Go on here, on the device that you want to use.")
    if st.button("Sign in on this device", key="confirm_sign_in", type="primary"):
        with visit.told():
            visit.begin(visit.accounts().confirm(token_hash, kind))
            places.go("home")
    st.caption("You did not ask for it? Close this page: nothing happens.")
