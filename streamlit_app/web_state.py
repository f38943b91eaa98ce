"""What all visitors of this process share, and nothing that belongs to one of them."""

from functools import lru_cache

from fleet.settings import Settings, get_settings
from streamlit_app.session_store import SessionStore


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings, read once. Raises `NotConfigured` with one sentence a bad value."""
    return get_settings()


@lru_cache(maxsize=1)
def session_store() -> SessionStore:
    """The file of sessions, in the state folder."""
    return SessionStore(settings().state_dir / "web" / "sessions.db")
