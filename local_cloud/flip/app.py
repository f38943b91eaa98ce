"""The stand-in as a FastAPI app."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Depends, FastAPI

from local_cloud.flip import admin_routes, cloud_routes, site_routes
from local_cloud.flip.access import Tokens
from local_cloud.flip.clock import Clock
from local_cloud.flip.error_answers import refuse_as_flip_does, require_text
from local_cloud.flip.faults import Faults
from local_cloud.flip.state import State
from local_cloud.flip.webhooks import Delivery
from local_cloud.flip.world import make_world


def create_app(file: Path, tokens: Tokens, webhook_url: str = "") -> FastAPI:
    """The app with its state in `file`. A `webhook_url` replaces the one that was set before."""
    app = FastAPI(title="Flip stand-in", docs_url=None, redoc_url=None, openapi_url=None, lifespan=_running)
    state, clock, faults = State(file), Clock(), Faults()
    world = make_world(state, clock, tokens.webhook_secret)
    if webhook_url:
        world.outbox.configure(Delivery(**{**world.outbox.delivery.model_dump(), "url": webhook_url}))
    app.state.world, app.state.store, app.state.clock = world, state, clock
    app.state.faults, app.state.tokens = faults, tokens
    app.middleware("http")(faults.around)
    refuse_as_flip_does(app)
    app.add_api_route("/_standin/ready", _ready, methods=["GET"])
    for routes in (cloud_routes, site_routes, admin_routes):
        app.include_router(routes.router, dependencies=[Depends(require_text)])
    return app


async def _ready() -> dict[str, bool]:
    return {"ready": True}


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    """The timers and the webhooks run as long as the app does; if one of them fails, the server ends."""
    world = app.state.world
    work = [asyncio.create_task(world.run()), asyncio.create_task(world.outbox.run())]
    for task in work:
        task.add_done_callback(_end_on_failure)
    try:
        yield
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        world.state.connection.close()


def _end_on_failure(task: asyncio.Task[None]) -> None:
    """Half a stand-in would only puzzle: say why and have the server end."""
    if not task.cancelled() and (error := task.exception()):
        logging.getLogger(__name__).critical("The stand-in ends: its timers or webhooks failed.", exc_info=error)
        signal.raise_signal(signal.SIGTERM)
