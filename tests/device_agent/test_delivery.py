"""The real process, over real mutual TLS: what it sampled is what the queue holds."""

from pathlib import Path

import pytest

from device_agent.options import SPOOL_FILE
from device_agent.spool_reader import Counts, SpoolReader

pytestmark = pytest.mark.integration

FAST = ("--sample-interval", "0.2", "--publish-interval", "0.5", "--keep-acknowledged", "100000")


def counts(folder: Path) -> Counts:
    with SpoolReader(folder / SPOOL_FILE) as spool:
        return spool.counts()


def spooled(folder: Path) -> dict[int, bytes]:
    with SpoolReader(folder / SPOOL_FILE) as spool:
        return {sequence: body for sequence, _, body in spool.samples()}


def acknowledged(folder: Path) -> int:
    return counts(folder).acknowledged if (folder / SPOOL_FILE).exists() else 0


def test_what_the_spool_says_is_what_the_queue_holds(cloud, start_agent, eventually) -> None:
    folder = cloud.new_device()
    agent = start_agent("run", folder, *FAST)
    eventually(lambda: (folder / SPOOL_FILE).exists() and acknowledged(folder) >= 10, "10 samples acknowledged")
    assert agent.stop() == 0
    assert counts(folder).pending == 0
    assert counts(folder).sampled == counts(folder).acknowledged
    assert cloud.samples(folder.name) == spooled(folder)
    assert list(spooled(folder)) == list(range(1, counts(folder).sampled + 1))
