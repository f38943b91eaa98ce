"""Somebody looks at a battery: as long as that lasts it reports every few seconds."""

from datetime import datetime, timedelta

import streamlit as st

from streamlit_app.services import batteries
from streamlit_app.services.accounts import Account

_EVERY = timedelta(minutes=1)
_AT_ONCE = 10
"""More batteries than that nobody looks at."""
_LOOKED = "looked_at"


def look_at(account: Account, thing_names: list[str], now: datetime) -> None:
    """Say so, once a minute for each."""
    looked: dict[str, datetime] = st.session_state.setdefault(_LOOKED, {})
    for name in thing_names[:_AT_ONCE]:
        if name not in looked or now - looked[name] >= _EVERY:
            batteries.look_at(account, name)
            looked[name] = now
