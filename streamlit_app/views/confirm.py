"""Where a mailed link leads. Opening it spends nothing, because mail scanners open links; the button does.

The visitor says who they are: the link does not tell, and a stranger's would sign them in to the stranger's account.
"""

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
    st.write("You asked to sign in. Go on here, on the device that you want to use.")
    with st.form("confirm", border=False):
        email = st.text_input(
            "Your e-mail address", key="confirm_email", autocomplete="email", max_chars=254,
            help="The address that the mail was sent to. The link works for nobody else.",
        )  # fmt: skip
        if st.form_submit_button("Sign in on this device", key="confirm_sign_in", type="primary"):
            with visit.told():
                visit.begin(visit.accounts().confirm(token_hash, kind, email))
                places.go("home")
    st.caption("You did not ask for it? Close this page: nothing happens.")
