"""The form for a home's address. What was typed stays when something is wrong, and that is said at its field."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from streamlit_app import words
from streamlit_app.services.sites import MAX_CHARACTERS, STATES, Site, problems

_STATES = ("", *STATES)
Slots = dict[str, DeltaGenerator]
"""Below each field, by its name, the place for what is wrong with it."""


def site_form(site: Site, email: str, submit: str, key: str) -> Site | None:
    """The site as it was typed, once it was submitted without a problem; the visitor's address is its e-mail."""
    slots: Slots = {}
    with st.form(f"{key}_form", border=False):
        left, right = st.columns(2)
        first_name = _text(left, "First name", site.first_name, f"{key}_first_name", "given-name")
        slots["first_name"] = left.empty()
        last_name = _text(right, "Last name", site.last_name, f"{key}_last_name", "family-name")
        slots["last_name"] = right.empty()
        whole = st.container()
        street = _text(whole, "Street and number", site.street_address, f"{key}_street", "address-line1")
        slots["street_address"] = whole.empty()
        street2 = _text(whole, "Apartment (optional)", site.street_address2, f"{key}_street2", "address-line2")
        slots["street_address2"] = whole.empty()
        city_column, state_column, zip_column = st.columns([3, 2, 2])
        city = _text(city_column, "City", site.city, f"{key}_city", "address-level2")
        slots["city"] = city_column.empty()
        state = _state(state_column, site.state_code, f"{key}_state")
        slots["state_code"] = state_column.empty()
        zip_code = _text(zip_column, "Zip code", site.zip_code, f"{key}_zip", "postal-code")
        slots["zip_code"] = zip_column.empty()
        last = st.container()
        account_id = _text(
            last, "Utility account number (optional)", site.service_account_id, f"{key}_utility", "off",
            help_text="On your electricity bill. Programs of your utility ask for it.",
        )  # fmt: skip
        slots["service_account_id"] = last.empty()
        submitted = st.form_submit_button(submit, key=f"{key}_submit", type="primary")
        below = st.container()
    typed = Site(
        site_id=site.site_id, first_name=first_name, last_name=last_name, email=site.email or email,
        street_address=street, street_address2=street2, city=city, state_code=state or None, zip_code=zip_code,
        service_account_id=account_id,
    )  # fmt: skip
    if not submitted:
        return None
    found = problems(typed)
    for name, sentence in found.items():
        slots.get(name, below).error(words.plain(sentence))
    return None if found else typed


def _state(place: DeltaGenerator, code: str | None, key: str) -> str:
    """By name, so that typing `Cali` finds it."""
    chosen = _STATES.index(code) if code in _STATES else 0
    found: str = place.selectbox("State", _STATES, index=chosen, format_func=lambda one: STATES.get(one, ""), key=key)
    return found


def _text(
    place: DeltaGenerator, label: str, value: str | None, key: str, autocomplete: str,
    help_text: str | None = None,
) -> str | None:  # fmt: skip
    typed = place.text_input(
        label, value=value or "", key=key, autocomplete=autocomplete, max_chars=MAX_CHARACTERS, help=help_text
    )
    return typed.strip() or None
