"""How long a message takes from being sent to the queue until another connection sees its row."""

import asyncio
import statistics
import subprocess
import time
from typing import Any

from benchmarks.queue_world import DEVICES, World, body, figures, send
from fleet.adapters.postgres import connect

_LOOK_EVERY_S = 0.01


def publish_to_visible(world: World, per_second: int, seconds: int) -> dict[str, Any]:
    """One worker, so many messages a second in tens; milliseconds, at most 10 too long by the looking."""
    world.empty()
    environment = {**world.environment(0, 1), "BENCH_SECONDS": str(seconds + 5)}
    worker = subprocess.Popen(world.command("ours"), env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert worker.stdout and worker.stdin and worker.stdout.readline() == b"ready\n"
        worker.stdin.write(b"go\n")
        worker.stdin.flush()
        sent, seen = asyncio.run(_publish_and_look(world, per_second, seconds))
        output = worker.communicate(timeout=60)[0]
    finally:
        if worker.poll() is None:
            worker.kill()
        worker.wait()
    assert seen.keys() == sent.keys(), f"{len(sent) - len(seen)} of {len(sent)} rows never came"
    took = sorted((seen[key] - sent[key]) * 1000 for key in sent)
    cpu_us = figures(output.decode())["cpu_s"] / len(sent) * 1e6
    return {
        "publish_to_visible_p50_ms": round(statistics.median(took)),
        "publish_to_visible_p99_ms": round(took[len(took) * 99 // 100]),
        "us_at_200_per_s": round(cpu_us),
    }


async def _publish_and_look(world: World, per_second: int, seconds: int) -> tuple[dict[Any, float], dict[Any, float]]:
    sent: dict[Any, float] = {}
    looking = asyncio.create_task(asyncio.to_thread(_look, world, seconds + 4.0))
    calls, start = world.calls(), time.monotonic() + 1
    for number in range(0, per_second * seconds, 10):
        await asyncio.sleep(max(0.0, start + number / per_second - time.monotonic()))
        bodies = [body(each, 1) for each in range(number, number + 10)]
        for each in range(number, number + 10):
            sent[f"battery-{each % DEVICES}", each // DEVICES + 1] = time.monotonic()
        await send(calls, world.queue_url, bodies)
    return sent, await looking


def _look(world: World, seconds: float) -> dict[Any, float]:
    """When each row was first seen."""
    seen: dict[Any, float] = {}
    until, last = time.monotonic() + seconds, None
    with connect(world.settings) as connection:
        connection.autocommit = True
        while (now := time.monotonic()) < until:
            rows = connection.execute(
                "SELECT thing_name, sequence, stored_at FROM fleet.telemetry"
                " WHERE stored_at > coalesce(%s, '-infinity'::timestamptz)",
                [last],
            ).fetchall()
            now = time.monotonic()
            for row in rows:
                seen[row["thing_name"], row["sequence"]] = now
                last = max(last or row["stored_at"], row["stored_at"])
            time.sleep(_LOOK_EVERY_S)
    return seen
