"""Fixtures of other rooms: the fleet behind the Supabase stand-in, Ann and Ben, the web app and Prefect as they run."""

from tests.e2e.conftest import _world_in_place as running_app
from tests.flows.conftest import prefect_server, run_here
from tests.supabase.conftest import ann, fleet, operator
from tests.supabase.test_access_matrix import ben, untouched, world

__all__ = ["ann", "ben", "fleet", "operator", "prefect_server", "run_here", "running_app", "untouched", "world"]
