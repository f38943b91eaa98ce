"""A real browser before the real web app, with everything around it in the embedded cloud's stand-ins."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from pydantic import SecretStr

from fleet.settings import Settings
from local_cloud import servers
from local_cloud.flip.steering import Steering
from local_cloud.identities import web_access_key, with_key
from tests.conftest import FLIP_TOKEN, free_port
from tests.database_server import DatabaseServer
from tests.e2e.visitor import Visitor
from tests.homeowner_world import HomeownerWorld, homeowner_world

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
OUTPUT = Path(__file__).parent.parent.parent / "test-output" / "e2e"
DESKTOP, PHONE = (1100, 900), (390, 844)


@pytest.fixture(scope="session")
def _world_in_place(
    resources: Settings, database_server: DatabaseServer, flip_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HomeownerWorld]:
    home, port = tmp_path_factory.mktemp("web"), free_port()
    base_url = f"http://127.0.0.1:{port}"
    flip = Settings(flip_base_url=flip_url, flip_token=SecretStr(FLIP_TOKEN))
    with (
        database_server.database() as url,
        homeowner_world(resources, flip, url, home, base_url, free_port()) as world,
    ):
        (home / "state").mkdir()
        key = web_access_key(world.settings, home / "web-access-key.secret")
        allowed = with_key(world.settings, key).model_copy(update={"app_credential": SecretStr(world.app_credential)})
        with servers.web(allowed, home / "state", home / "logs", port):
            yield world


@pytest.fixture
def world(_world_in_place: HomeownerWorld, flip_server: Steering) -> HomeownerWorld:
    """The stand-ins, batteries and links. Flip has no faults, and nothing that an earlier test asked of it waits."""
    while _world_in_place.work_off():
        pass
    return _world_in_place


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium."""
    if not CHROMIUM.exists():
        pytest.skip("There is no /usr/bin/chromium: `make debian` installs it.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser, world: HomeownerWorld, request: pytest.FixtureRequest) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors, each in a browser profile of their own; their last screens are kept as test output."""
    visitors: list[Visitor] = []
    OUTPUT.mkdir(parents=True, exist_ok=True)
    test = re.sub(r"\W+", "-", request.node.name)

    def make(size: tuple[int, int] = DESKTOP, scheme: str = "light") -> Visitor:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            timezone_id="America/Los_Angeles",
            locale="en-US",
        )
        visitors.append(Visitor(context, world, OUTPUT / f"{test}-{len(visitors) + 1}"))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.shot("end")
        visitor.context.close()
        assert visitor.foreign_requests == [], "the page asked for something from elsewhere"
        assert visitor.script_errors == [], "a script of the page failed"
        assert not visitor.barriers, "\n".join(visitor.barriers)
