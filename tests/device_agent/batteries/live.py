"""Real time for agents on benches: for drivers that answer from threads of their own."""

import time
from collections.abc import Callable

from tests.device_agent.bench import Bench


def live(until: Callable[[], bool], *benches: Bench, within_s: float = 10.0) -> None:
    """Run the agents in one loop, as the runner does, until something holds; fails if it does not in time."""
    before = begun = time.monotonic()
    while not until():
        assert time.monotonic() - begun < within_s, "not in time"
        time.sleep(0.002)
        passed_s, before = time.monotonic() - before, time.monotonic()
        for bench in benches:
            bench.move_clocks(passed_s)
            bench.round()
            if not bench.agent.idle and bench.tokens:
                bench.acknowledge()


def live_for(seconds: float, *benches: Bench) -> None:
    """The same for so long."""
    end = time.monotonic() + seconds
    live(lambda: time.monotonic() >= end, *benches)
