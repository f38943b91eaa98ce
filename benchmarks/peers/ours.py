"""The worker as the flow runs it: `fleet.services.ingestion`, until the wanted number of messages is stored.

With `--transport-only` it does no more than the floor, over our own connections: what is left of it is our parsing,
checking and storing.
"""

import asyncio
import json
import os
import resource
import sys
import time
from pathlib import Path

from benchmarks.peers.raw_client import copy, cpu_s
from fleet.adapters import postgres
from fleet.adapters.aws.sqs import Queue, wait_for
from fleet.adapters.postgres.telemetry import Stored
from fleet.services.ingestion import Pace, Tally, ingest
from fleet.settings import Settings


class TimedTally(Tally):
    """Knows how many messages were done when (epoch seconds), from the beginning on."""

    def __init__(self) -> None:
        self.done = [(time.time(), 0)]
        super().__init__()

    def __setattr__(self, name: str, value: object) -> None:
        if name == "stored" and isinstance(value, Stored) and value.messages:
            self.done.append((time.time(), value.messages))
        super().__setattr__(name, value)


async def drain(queue: Queue, messages: int, tally: TimedTally) -> None:
    """Receive and delete over our connections, eight calls at a time."""
    done = 0

    async def work() -> None:
        nonlocal done
        while done < messages and (received := await queue.calls.receive(1)):
            done += len(received)
            await queue.calls.delete([message.receipt for message in received])
            tally.done.append((time.time(), done))

    await asyncio.gather(*(work() for _ in range(8)))


def max_rss_mb() -> float:
    """The most memory that this process had. Linux hands `ru_maxrss` on from the process that started this one."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Begin at a line on stdin; stop when the messages are stored, or at the end of stdin with 0 messages."""
    settings, total = Settings(), int(os.environ["BENCH_MESSAGES"])
    queue = Queue(settings, os.environ["BENCH_QUEUE"])
    with postgres.connect(settings) as connection:
        queue.visibility_timeout_s(), queue.depth()  # boto3's first calls: part of starting, as for every candidate
        print("ready", flush=True)
        sys.stdin.readline()
        before, tally = cpu_s(), TimedTally()
        if "--transport-only" in sys.argv:
            wait_for(drain(queue, total, tally))
            copy(Path(os.environ["BENCH_PACKED_ROWS"]).read_bytes(), int(os.environ["BENCH_BATCHES"]))
        until = time.monotonic() + float(os.environ.get("BENCH_SECONDS", "600"))
        while "--transport-only" not in sys.argv and time.monotonic() < until:
            ingest(queue, connection, 2, Pace(wait_s=1), tally)
            if total and (tally.stored.messages >= total or queue.depth() == 0):
                break
    stored = tally.stored
    print(json.dumps({
        "cpu_s": cpu_s() - before, "done": tally.done, "messages": stored.messages, "samples": stored.samples,
        "max_rss_mb": max_rss_mb(),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
