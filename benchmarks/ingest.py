"""Ingestion, SQS to committed row, side by side with its peers and its floor: a table and one JSON line.

Run it with `.venv/bin/python -m benchmarks.ingest [--messages 10000] [--repeats 3] [--full]`; it needs Node with npm
for the peers and the local SQS. docs/benchmarks.md says how to read it.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import threading
from itertools import pairwise
from typing import Any

from benchmarks.prefect_share import prefect_share
from benchmarks.publish_to_visible import publish_to_visible
from benchmarks.queue_world import World, figures, queue_world

CANDIDATES: dict[str, tuple[str, ...]] = {
    "ours": ("ours",),
    "sqs-consumer + pg": ("sqs_consumer.mjs",),
    "boto3 + executemany": ("boto3_executemany",),
    "floor: raw client + bare COPY": ("raw_client",),
    "our transport + bare COPY": ("ours", "--transport-only"),
}
PEERS = ("sqs-consumer + pg", "boto3 + executemany")
FLOOR, TRANSPORT = "floor: raw client + bare COPY", "our transport + bare COPY"


def main() -> None:
    """Measure everything and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000, help="messages a candidate and repeat")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="a backlog of 200,000 messages for the memory")
    options = parser.parse_args()
    with queue_world() as world:
        line = measure(world, options.messages, options.repeats, 200_000 if options.full else 3 * options.messages)
    print(json.dumps(line))


def measure(world: World, messages: int, repeats: int, backlog: int) -> dict[str, Any]:
    """Every part of the benchmark, ratios first."""
    took = us_each(world, tuple(CANDIDATES), messages, repeats)
    ours, floor, peer = took["ours"], took[FLOOR], min(took[name] for name in PEERS)
    line = {
        "benchmark": "ingest",
        "best_peer_over_ours": round(peer / ours, 2),
        "ours_over_floor": round(ours / floor, 2),
        "ours_over_own_transport": round(ours / took[TRANSPORT], 2),
        "ours_us": round(ours, 1), "best_peer_us": round(peer, 1), "floor_us": round(floor, 1),
        "own_transport_us": round(took[TRANSPORT], 1),
    }  # fmt: skip
    show("client CPU a message, one sample each", {name: f"{us:8.1f} us" for name, us in took.items()})
    twelve = us_each(world, ("ours", *PEERS), messages // 4, repeats, samples=12)
    show("client CPU a sample, 12 samples a message", {name: f"{us / 12:8.1f} us" for name, us in twelve.items()})
    line["us_per_sample_at_12"] = round(twelve["ours"] / 12, 2)
    line |= throughput(world, 6 * messages, repeats)
    line |= memory(world, backlog)
    line |= publish_to_visible(world, per_second=200, seconds=15)
    line |= prefect_share(world, 10 * messages, 20)
    line |= {"messages": messages, "repeats": repeats, "cores": os.cpu_count(), "python": platform.python_version()}
    show("the rest", {name: f"{value!s:>8}" for name, value in line.items() if name not in took})
    return line


def us_each(world: World, names: tuple[str, ...], messages: int, repeats: int, samples: int = 1) -> dict[str, float]:
    """Microseconds of client CPU a message, median over the repeats; in turn, so that a busy moment hits them all."""
    took: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            said = run(world, CANDIDATES[name], messages, samples)[0]
            took[name].append(said["cpu_s"] / messages * 1e6)
    return {name: statistics.median(each) for name, each in took.items()}


def run(
    world: World, candidate: tuple[str, ...], messages: int, samples: int = 1, workers: int = 1
) -> list[dict[str, Any]]:
    """A filled queue worked off by so many processes of a candidate; what each of them said."""
    world.empty()
    world.send(messages, samples)
    return work_off(world, candidate, messages, samples, workers)


def work_off(
    world: World, candidate: tuple[str, ...], messages: int, samples: int, workers: int
) -> list[dict[str, Any]]:
    """Start so many processes, let them begin together, and wait for them."""
    environment = world.environment(messages, samples)
    started = [
        subprocess.Popen(world.command(*candidate), env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(workers)
    ]
    try:
        if candidate[0] == "ours":
            for process in started:
                assert process.stdout and process.stdout.readline() == b"ready\n"
        outputs = [b""] * workers

        def talk(number: int) -> None:
            outputs[number] = started[number].communicate(b"go\n", timeout=600)[0]

        talks = [threading.Thread(target=talk, args=(number,)) for number in range(workers)]
        for each in talks:
            each.start()
        for each in talks:
            each.join()
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
            process.wait()
    assert all(process.returncode == 0 for process in started), "a candidate failed"
    return [figures(output.decode()) for output in outputs]


def throughput(world: World, messages: int, repeats: int) -> dict[str, Any]:
    """What one worker reaches, what two on one queue, and what the endpoint gives to two that store nothing."""
    ours, transport = CANDIDATES["ours"], CANDIDATES[TRANSPORT]
    asked = {"one_worker": (ours, 1), "two_workers": (ours, 2), "endpoint": (transport, 2)}
    rates: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(repeats):
        for name, (candidate, workers) in asked.items():
            said = run(world, candidate, messages, workers=workers)
            if candidate is ours:
                assert sum(each["samples"] for each in said) == messages, "a sample was lost or doubled"
            rates[name].append(messages_per_s(said, messages))
    one, two, endpoint = (statistics.median(each) for each in rates.values())
    return {
        "one_worker_per_s": round(one), "two_workers_per_s": round(two), "endpoint_per_s": round(endpoint),
        "two_workers_over_one": round(two / one, 2), "one_worker_over_endpoint": round(one / endpoint, 2),
    }  # fmt: skip


def messages_per_s(said: list[dict[str, Any]], messages: int) -> float:
    """The rate of all workers together over nine tenths of the messages: the last ones wait for a batch to fill."""
    steps = [
        (at, done - before)
        for each in said
        for (_, before), (at, done) in pairwise(each["done"])
    ]  # fmt: skip
    began, done = min(each["done"][0][0] for each in said), 0
    for at, more in sorted(steps):
        done += more
        if done >= 0.9 * messages:
            return done / (at - began)
    raise AssertionError(f"{messages - done} messages were lost")


def memory(world: World, backlog: int) -> dict[str, Any]:
    """What one worker needs at most while it works off a backlog, and for a tenth of it: flat is near 1."""
    few = run(world, ("ours",), backlog // 10)[0]["max_rss_mb"]
    many = run(world, ("ours",), backlog)[0]["max_rss_mb"]
    return {"backlog": backlog, "max_rss_mb": round(many), "max_rss_over_a_tenth": round(many / few, 2)}


def show(title: str, rows: dict[str, str]) -> None:
    """A table for people."""
    print(f"\n{title}")
    for name, value in rows.items():
        print(f"  {name:34s} {value}")


if __name__ == "__main__":
    main()
