"""The form for a home's address. What was typed stays when something is wrong."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from streamlit_app import words
from streamlit_app.services.sites import MAX_CHARACTERS, STATES, Site, problems

_STATES = ("", *STATES)


def site_form(site: Site, email: str, submit: str, key: str) -> Site | None:
    """The site as it was typed, once it was submitted without a problem; the visitor's address is its e-mail."""
    with st.form(f"{key}_form", border=False):
        left, right = st.columns(2)
        first_name = _text(left, "First name", site.first_name, f"{key}_first_name", "given-name")
        last_name = _text(right, "Last name", site.last_name, f"{key}_last_name", "family-name")
        whole = st.container()
        street = _text(whole, "Street and number", site.street_address, f"{key}_street", "address-line1")
        street2 = _text(whole, "Apartment (optional)", site.street_address2, f"{key}_street2", "address-line2")
        city_column, state_column, zip_column = st.columns([3, 2, 2])
        city = _text(city_column, "City", site.city, f"{key}_city", "address-level2")
        chosen = _STATES.index(site.state_code) if site.state_code in _STATES else 0
        state = state_column.selectbox("State", _STATES, index=chosen, key=f"{key}_state")
        zip_code = _text(zip_column, "Zip code", site.zip_code, f"{key}_zip", "postal-code")
        account_id = _text(
            st.container(), "Utility account number (optional)", site.service_account_id, f"{key}_utility", "off",
            help_text="On your electricity bill. Programs of your utility ask for it.",
        )  # fmt: skip
        submitted = st.form_submit_button(submit, key=f"{key}_submit", type="primary")
    typed = Site(
        site_id=site.site_id, first_name=first_name, last_name=last_name, email=site.email or email,
        street_address=street, street_address2=street2, city=city, state_code=state or None, zip_code=zip_code,
        service_account_id=account_id,
    )  # fmt: skip
    if not submitted:
        return None
    found = problems(typed)
    for sentence in found:
        st.error(words.plain(sentence))
    return None if found else typed


def _text(
    place: DeltaGenerator, label: str, value: str | None, key: str, autocomplete: str,
    help_text: str | None = None,
) -> str | None:  # fmt: skip
    typed = place.text_input(
        label, value=value or "", key=key, autocomplete=autocomplete, max_chars=MAX_CHARACTERS, help=help_text
    )
    return typed.strip() or None
