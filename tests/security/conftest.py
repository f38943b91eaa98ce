"""Fixtures of other rooms: the fleet behind the Supabase stand-in, and the web app as it runs."""

from tests.e2e.conftest import _world_in_place as running_app
from tests.supabase.conftest import ann, fleet, operator

__all__ = ["ann", "fleet", "operator", "running_app"]
