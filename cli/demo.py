"""`fleet demo`: the whole story on this machine, each part through its real interface."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli import dispatch_story, households, infrastructure, outcome, tally
from cli.dispatch_story import Counted, Dispatch, Timing
from cli.where_to_look import print_box
from device_agent.registration_url import registration_url
from fleet.adapters import postgres
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.errors import FleetError, Unavailable
from fleet.provisioning.orders import Order, orders_from_count
from fleet.settings import Settings, get_settings
from local_cloud import agents, cloud, homeowners
from local_cloud.agents import Agents
from local_cloud.identities import as_owner
from local_cloud.mails import Mailbox
from local_cloud.running import Cloud
from local_cloud.settings import LocalSettings, get_local_settings

PREFIX, MODEL = "battery", "home-13"
_SAMPLE_S, _PUBLISH_S = 1.0, 2.0
_HOUSEHOLDS = 10
"""Batteries that get a household; more would tell no more, and each takes a mail and half a second."""
_EVENT, _SHORT_EVENT = Timing(start_in_s=120, duration_s=600), Timing(start_in_s=15, duration_s=15)
_ENDED_WITHIN_S = 90.0


class Demo:
    """One run of the demo: what is said, how long each step took, and what it came to."""

    def __init__(self, once: bool, local: LocalSettings) -> None:
        self.once, self.local = once, local
        self.event = _SHORT_EVENT if once else _EVENT
        self.seconds: dict[str, float] = {}
        self.infrastructure = ""
        self.has_begun = False
        self._began = time.monotonic()

    def say(self, line: str) -> None:
        """A line of progress."""
        self.has_begun = True
        print(f"[{time.monotonic() - self._began:6.1f} s] {line}", flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 1)


def run(once: bool) -> int:
    """Go through the story; stay up until Ctrl-C unless `once`. Returns the exit code."""
    demo, figures = Demo(once, get_local_settings()), None
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        with _cloud(demo) as running:
            figures = _story(demo, running)
    except KeyboardInterrupt:
        demo.say("stopped")
        return 130 if once else 0
    finally:
        if demo.has_begun:
            demo.say("everything that was started has ended")
    if figures is None:
        return 0
    print(json.dumps(figures), file=sys.__stdout__, flush=True)  # the one line that is no progress
    return outcome.exit_code(figures)


def _interrupt(_number: int, _frame: object) -> None:
    """Stop wherever we are; a second Ctrl-C must not cut the stopping short."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def _cloud(demo: Demo) -> Iterator[Cloud]:
    began = time.monotonic()
    with cloud.running(demo.local, demo.say) as running:
        demo.seconds["cloud"] = round(time.monotonic() - began, 1)
        yield running


def _story(demo: Demo, running: Cloud) -> dict[str, Any] | None:
    with demo.step("infrastructure"):
        demo.infrastructure = infrastructure.ensure(running, demo.say)
        homeowners.deliver_webhooks(running)
    with demo.step("provisioning"):
        folders = _provision(demo, running)
    with agents.running(folders, running.state, _SAMPLE_S, _PUBLISH_S) as fleet:
        demo.say(f"{fleet.alive()} device agents run, each a process with its own certificate")
        with demo.step("flows"):
            running.wait_for_flows()
            running.state.mark_ready()
        with demo.step("households"):
            dispatch = _dispatch(demo, running, folders)
        _show_addresses(demo, folders)
        with demo.step("event"):
            counted = _watch(demo, running, fleet, folders, dispatch)
        demo.say("draining the agents")
    return _settle(demo, folders, counted) if demo.once else None


def _provision(demo: Demo, running: Cloud) -> list[Path]:
    """The folders of the batteries that are provisioned. One that cannot be stops the one-shot story alone."""
    settings = get_settings()
    orders = orders_from_count(demo.local.devices, PREFIX, MODEL)
    done = _provisioned(settings, orders)
    if missing := len(orders) - len(done):
        # Not before: importing Prefect reads the addresses that the cloud has put into the environment.
        from cli import flow_runs

        running.wait_for_flows()
        demo.say(f"provisioning {missing} devices")
        try:
            flow_runs.run("provision-devices", {"count": len(orders), "prefix": PREFIX, "model": MODEL}, 600, demo.say)
        except FleetError as error:
            if demo.once or not _provisioned(settings, orders):
                raise
            demo.say(f"going on with the devices that there are: {error}")
        done = _provisioned(settings, orders)
    else:
        demo.say(f"{len(done)} devices are provisioned already")
    return [settings.artifacts_dir / order.thing_name.value for order in orders if order.thing_name.value in done]


def _provisioned(settings: Settings, orders: list[Order]) -> set[str]:
    with postgres.connect(settings) as connection:
        return DeviceLedger(connection).done_among([order.thing_name for order in orders])


def _dispatch(demo: Demo, running: Cloud, folders: list[Path]) -> Dispatch | None:
    """Give batteries to households, and have Flip make an event for them; the first is left for whoever watches, or
    comes later: only a fleet of one has none to spare."""
    settings, state = as_owner(get_settings(), running.state), running.state  # mails are the account's to read
    theirs = (folders[1:] or folders)[:_HOUSEHOLDS]
    households.ensure_operator(settings, state, demo.say)
    if made := households.register(settings, state, theirs, demo.say):
        demo.say(f"{made} batteries were registered, each by its household with a signed link and a mailed code")
    ready = households.commissioned(settings, theirs, demo.say)
    return dispatch_story.begin(settings, state.secret("flip-admin"), ready, demo.event, demo.say)


def _show_addresses(demo: Demo, folders: list[Path]) -> None:
    base_url = get_settings().base_url
    folder = next(iter(households.unregistered(get_settings(), folders)), None)
    link = registration_url(folder, base_url, datetime.now(UTC)) if folder else ""
    prefect_url = f"http://127.0.0.1:{demo.local.prefect_port}"
    print_box(prefect_url, base_url, households.OPERATOR, folder.name if folder else "", link)


def _watch(demo: Demo, running: Cloud, fleet: Agents, folders: list[Path], dispatch: Dispatch | None) -> Counted | None:
    """Show samples and commands as they go on; until Ctrl-C, or until the event of the one-shot story is over."""
    mailbox = Mailbox(as_owner(get_settings(), running.state))
    deadline = time.monotonic() + demo.event.start_in_s + demo.event.duration_s + _ENDED_WITHIN_S
    while True:
        time.sleep(5)
        if name := running.ended():
            raise Unavailable(f"{name} stopped by itself: {running.state.logs / name}.log says why.")
        for recipient, code in mailbox.new_codes():
            demo.say(f"mail to {recipient}: the code is {code}")
        stored = tally.stored(get_settings(), folders)  # first: what is sent meanwhile is not stored yet
        sent = tally.published(folders)
        demo.say(f"{fleet.alive()} agents, {sent:,} samples published, {stored:,} stored")
        counted = dispatch.count() if dispatch else None
        if counted:
            demo.say(
                f"of {counted.asked} commands {counted.sent} sent, {counted.acknowledged} acknowledged, "
                f"{counted.reported} reported to Flip, {counted.ended} over"
            )
        if demo.once and (counted is None or counted.is_over or time.monotonic() > deadline):
            return counted


def _settle(demo: Demo, folders: list[Path], commands: Counted | None) -> dict[str, Any]:
    """Wait until what was published has arrived, then count."""
    with demo.step("arrival"):
        outcome.wait_for_arrival(get_settings(), folders)
    seconds = {**demo.seconds, "total": round(sum(demo.seconds.values()), 1)}
    return {
        **outcome.figures(get_settings(), folders, commands),
        "infrastructure": demo.infrastructure,
        "seconds": seconds,
    }
