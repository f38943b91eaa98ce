"""The homeowners' world of the web app's tests, and the demo's households in it."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleet.devices import write_owner_only
from local_cloud.flip.steering import Steering
from local_cloud.state import State
from streamlit_app.services.accounts import Account, Accounts
from tests.cli.neighbourhood import Neighbourhood
from tests.homeowner_world import HomeownerWorld
from tests.streamlit_app.conftest import _homes_in_place, accounts, sign_in, store, web_settings, world

__all__ = ["_homes_in_place", "accounts", "sign_in", "store", "web_settings", "world"]


@pytest.fixture
def flip_works(world: HomeownerWorld) -> Iterator[None]:
    """What is asked of Flip is worked off as it comes, as the served flow does."""
    stopped = threading.Event()

    def work() -> None:
        while not stopped.wait(0.1):
            world.work_off()

    worker = threading.Thread(target=work)
    worker.start()
    yield
    stopped.set()
    worker.join()


@pytest.fixture
def neighbourhood(
    world: HomeownerWorld,
    accounts: Accounts,
    sign_in: Callable[..., Account],
    flip_server: Steering,
    flip_works: None,
    folder: Path,
) -> Neighbourhood:
    """Two households that have their batteries, as a first start leaves them."""
    write_owner_only(folder / "app-credential.secret", world.app_credential.encode())
    made = Neighbourhood(world, State(folder), accounts, sign_in, flip_server, [world.provision(), world.provision()])
    assert made.start() == [each.name for each in made.folders]
    assert made.said == []
    return made
