"""Signing in by a mailed code, inside whatever page asks for it, so that the page's link is not lost."""

import streamlit as st

from fleet.adapters.supabase.sessions import SignedOut
from streamlit_app import visit, words
from streamlit_app.services.accounts import Account


def require_account(reason: str) -> Account:
    """The visitor's account; a visitor without one gets the sign-in form, and the page ends here."""
    try:
        return visit.present()
    except SignedOut:
        _ask(reason)
        st.stop()


def show_account(account: Account | None) -> None:
    """Who is signed in, and the way out."""
    if account is None:
        return
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", key="account_bar"):
        st.caption(f"Signed in as {words.plain(account.who.email)}")
        st.button("Sign out", key="sign_out", type="tertiary", on_click=visit.end)


def _ask(reason: str) -> None:
    with st.container(border=True, key="sign_in"):
        st.subheader("Sign in")
        if address := st.session_state.get("sign_in_sent_to"):
            _ask_for_code(address)
        else:
            st.write(f"{reason} We send a six-digit code to your e-mail address; there is no password.")
            with st.form("sign_in_address", border=False):
                email = st.text_input("E-mail address", key="sign_in_email", autocomplete="email", max_chars=254)
                if st.form_submit_button("Send the code", key="sign_in_send", type="primary"):
                    _send_code(email)


def _ask_for_code(address: str) -> None:
    st.write(f"We sent a code to **{words.plain(address)}**. It works once, for ten minutes.")
    with st.form("sign_in_code", border=False):
        code = st.text_input("Six-digit code", key="sign_in_digits", autocomplete="one-time-code", max_chars=12)
        if st.form_submit_button("Sign in", key="sign_in_submit", type="primary"):
            with visit.told():
                visit.sign_in(address, code)
                del st.session_state["sign_in_sent_to"]
                st.rerun()
    with st.container(horizontal=True):
        if st.button("Send a new code", key="sign_in_again", type="tertiary"):
            _send_code(address)
        if st.button("Use another address", key="sign_in_other", type="tertiary"):
            del st.session_state["sign_in_sent_to"]
            st.rerun()


def _send_code(email: str) -> None:
    with visit.told():
        st.session_state["sign_in_sent_to"] = visit.request_code(email)
        st.rerun()
