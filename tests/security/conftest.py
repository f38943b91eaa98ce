"""Fixtures of other rooms: the fleet behind the Supabase stand-in, Ann and Ben, and the web app as it runs."""

from tests.e2e.conftest import _world_in_place as running_app
from tests.supabase.conftest import ann, fleet, operator
from tests.supabase.test_access_matrix import ben, untouched, world

__all__ = ["ann", "ben", "fleet", "operator", "running_app", "untouched", "world"]
