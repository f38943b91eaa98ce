"""The parts of a running stand-in, and the timers that move it on."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from fastapi import Request

from local_cloud.flip.clock import Clock
from local_cloud.flip.control import Control
from local_cloud.flip.enrolling import Enrollments
from local_cloud.flip.state import State
from local_cloud.flip.webhooks import Delivery, Outbox

_TICK_S = 0.05


@dataclass(frozen=True)
class World:
    """What a handler works on."""

    state: State
    clock: Clock
    outbox: Outbox
    enrollments: Enrollments
    control: Control

    def tick(self) -> None:
        """Do what has come due since the last tick."""
        actions = {
            "command.start": self.control.start,
            "command.end": self.control.end,
            "enrollment.settle": self.enrollments.settle,
        }
        with self.state.transaction():
            for kind, identity in self.state.due(self.clock.now()):
                actions[kind](identity)

    async def run(self) -> None:
        """Tick, for ever."""
        while True:
            self.tick()
            await asyncio.sleep(_TICK_S)

    def reset(self) -> None:
        """As if it had just been started on an empty file."""
        self.state.forget_everything()
        self.clock.ahead = timedelta(0)
        self.enrollments.settle_after = timedelta(0)
        self.outbox.configure(Delivery())


def make_world(state: State, clock: Clock, webhook_secret: str) -> World:
    """Put the parts together."""
    outbox = Outbox(state, clock, webhook_secret)
    enrollments = Enrollments(state, clock, outbox, timedelta(0))
    return World(state, clock, outbox, enrollments, Control(state, clock, outbox))


async def world_of(request: Request) -> World:
    """The world that a request acts on."""
    world: World = request.app.state.world
    return world
