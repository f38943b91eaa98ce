"""The record of a registration: what was verified, by which certificate, by which link, when, and by whom since."""

from datetime import datetime

import streamlit as st

from streamlit_app import words
from streamlit_app.services.batteries import RegistrationRecord

_CHANGES = {
    "bound": "registered",
    "released": "given up",
    "transferred": "moved by an operator",
    "retired": "taken out of service",
}


def show_record(record: RegistrationRecord, now: datetime) -> None:
    """In words, then the facts that an expert would compare."""
    when = words.at(record.registered_at, now)
    if record.registered_by == "link":
        st.write(
            "The battery signed a link with a key that only it holds. The signature fitted the certificate that it got "
            f"in the factory, which was in force and its own, and the link was new. It became yours on {when}."
        )
    else:
        st.write(f"An operator moved the battery to your account on {when}.")
    facts = {
        "Certificate": record.certificate_id,
        "Its public key (SHA-256)": record.certificate_public_key_sha256,
        "Made in the factory": words.at(record.provisioned_at, now),
        "Link": record.link_id,
        "Link made": words.at(record.link_issued_at, now) if record.link_id else None,
        "Link good until": words.at(record.link_expires_at, now) if record.link_id else None,
    }
    for label, value in facts.items():
        if value:
            st.markdown(f"**{label}**  \n`{value}`")
    for event in record.history or ():
        st.caption(f"{words.at(event.happened_at, now)}: {_CHANGES.get(event.kind, words.plain(event.kind))}")
