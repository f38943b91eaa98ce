"""Putting agents together: artifacts, spool, battery and connection of each device."""

import random
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from device_agent.agent import Agent
from device_agent.authority import Authority
from device_agent.batteries.battery import attended
from device_agent.batteries.catalogue import open_battery
from device_agent.batteries.contract import Place
from device_agent.connection import Connection, Network
from device_agent.events import Event
from device_agent.line import Line
from device_agent.options import SPOOL_FILE, Options
from device_agent.renewal import Renewal
from device_agent.schedule import Clock
from device_agent.spool import Spool
from device_agent.spool_file import SpoolFile
from fleet.devices import Artifacts, read_artifacts
from fleet.tracing import traces_to


@dataclass(frozen=True)
class Station:
    """One device of this process."""

    artifacts: Artifacts
    agent: Agent
    connection: Line


Post = Callable[[str, Event], None]
"""Hands over an event of the named thing; called from the network's threads."""


def open_stations(
    folders: Sequence[Path], options: Options, network: Network, clock: Clock, post: Post, opened: ExitStack
) -> list[Station]:
    """A station for each artifact folder; `opened` closes their batteries and spools.

    Raises what `read_artifacts`, `SpoolFile` and `open_battery` raise, before anything is connected.
    """
    artifacts = [read_artifacts(folder) for folder in folders]
    shared = _open_spool(options.spool, options, opened) if options.spool else None
    step_s = options.pace.sample_interval_s / len(folders)
    stations = []
    for index, one in enumerate(artifacts):
        file = shared or _open_spool(one.folder / SPOOL_FILE, options, opened)
        stations.append(_station(one, file, options, network, clock, post, opened, offset_s=index * step_s))
        if file is not shared:
            file.commit()
    if shared:
        shared.commit()
    return stations


def _open_spool(path: Path, options: Options, opened: ExitStack) -> SpoolFile:
    file = SpoolFile(path, options.spool_max_bytes)
    opened.callback(file.close)
    return file


def _station(
    artifacts: Artifacts,
    file: SpoolFile,
    options: Options,
    network: Network,
    clock: Clock,
    post: Post,
    opened: ExitStack,
    offset_s: float,
) -> Station:
    name = artifacts.config.thing_name
    spool = Spool(file, name, options.keep_acknowledged)
    place = Place(name, artifacts.folder, clock, spool.battery, options.owner, options.fault)
    driver = open_battery(options.battery or artifacts.config.battery, place)
    battery = attended(driver, clock, lambda event: post(name, event), options.battery_timeout_s)
    opened.callback(battery.close)
    authority = Authority(name, artifacts.command_key_file, artifacts.command_key)
    line = Line(
        artifacts,
        lambda identity, emit: Connection(identity, network, options.patience, emit),
        lambda event: post(name, event),
    )
    renewal = Renewal(artifacts, line, random.random)
    traces = traces_to(options.traces_url, "device-agent")
    pace, boot_id = options.pace, str(uuid.uuid4())
    agent = Agent(name, boot_id, spool, battery, authority, line, clock, pace, random.random, offset_s, renewal, traces)
    return Station(artifacts, agent, line)
