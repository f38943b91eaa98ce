"""The command line of the agent."""

import argparse
import os
from pathlib import Path

from device_agent.agent import Pace
from device_agent.batteries.catalogue import SIMULATION
from device_agent.batteries.contract import Control
from device_agent.conformance.subject import Measure
from device_agent.connection import Patience
from device_agent.options import FAULTS, Options
from fleet.telemetry.sample import Mode


def parser() -> argparse.ArgumentParser:
    """The parser of `device-agent`; wrong usage ends the process with exit code 2."""
    top = argparse.ArgumentParser(prog="device-agent", description="The process on a home battery.")
    commands = top.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run one device from its artifact folder")
    run.add_argument("folder", type=Path, help="the device's artifact folder")
    run.add_argument(
        "--battery", default="", metavar="NAME[:ADDRESS]",
        help="the battery's driver (default: what device.json says, else the simulation)",
    )  # fmt: skip
    run.set_defaults(network_threads=1)
    simulate = commands.add_parser("simulate", help="run many devices in one process, for load")
    simulate.add_argument("--folders", type=Path, required=True, help="folder of artifact folders")
    simulate.add_argument("--count", type=int, help="how many of them, in order of name (default: all)")
    simulate.add_argument("--network-threads", type=int, choices=range(1, 9), default=2)
    simulate.set_defaults(battery=SIMULATION)
    for command in (run, simulate):
        _add_shared(command)
    _add_registration_url(commands.add_parser("registration-url", help="print the link that registers the battery"))
    _add_check_battery(commands.add_parser("check-battery", help="try a battery's driver: read, obey, let go"))
    return top


def _add_registration_url(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("folder", type=Path, help="the device's artifact folder")
    add(
        "--base-url", default="", metavar="URL", help="the web app's address (default: FLEET_BASE_URL, or this machine)"
    )
    add("--qr", nargs="?", const="terminal", metavar="terminal|FILE", help="a QR code too, here or as .png or .svg")
    _add_logging(command)


def _add_check_battery(command: argparse.ArgumentParser) -> None:
    usual, add = Measure(), command.add_argument
    add("battery", metavar="NAME[:ADDRESS]", help="the driver, and where its battery is")
    add("--folder", type=Path, default=Path(), help="where a relative path in the address begins (default: here)")
    add("--seconds", type=float, default=usual.read_s, metavar="S", help="read for so long")
    add("--every", type=float, default=usual.every_s, metavar="S", help="a reading each S seconds")
    add("--settle", type=float, default=usual.settle_s, metavar="S", help="it has so long to do as it is told")
    add("--hold", type=float, default=usual.hold_s, metavar="S", help="and is watched for so long then")
    add("--tolerance-w", type=float, default=usual.tolerance_w, metavar="W", help="how far from the setpoint it may be")
    add("--tolerance-pct", type=float, default=usual.tolerance_pct, metavar="PCT", help="or so, if that is more")
    add("--power-w", type=float, default=usual.power_w, metavar="W", help="ask for no more than this")
    add("--battery-timeout", type=float, default=usual.timeout_s, metavar="S", help="it has so long to answer")
    _add_logging(command)


def bounds_from(given: argparse.Namespace) -> Measure:
    """How long and how exactly `check-battery` looks. Raises `InvalidInput` for values that cannot work."""
    return Measure(
        read_s=given.seconds,
        every_s=given.every,
        settle_s=given.settle,
        hold_s=given.hold,
        tolerance_w=given.tolerance_w,
        tolerance_pct=given.tolerance_pct,
        power_w=given.power_w,
        timeout_s=given.battery_timeout,
    )


def _add_shared(command: argparse.ArgumentParser) -> None:
    pace, options, patience = Pace(), Options(), Patience()
    add = command.add_argument
    add("--sample-interval", type=float, default=pace.sample_interval_s, metavar="S")
    add("--publish-interval", type=float, default=pace.publish_interval_s, metavar="S")
    add(
        "--live-interval", type=float, default=pace.live_interval_s, metavar="S",
        help="publish each S seconds while a command is followed or somebody looks at the battery",
    )  # fmt: skip
    add("--max-samples", type=int, default=pace.max_samples, help="samples a message at most", metavar="N")
    add("--backlog-messages-per-s", type=float, default=pace.backlog_messages_per_s, metavar="R")
    add(
        "--battery-timeout", type=float, default=options.battery_timeout_s, metavar="S",
        help="a battery that says nothing for so long did not answer",
    )  # fmt: skip
    add("--mode", choices=[mode.value for mode in Mode], default=options.owner.mode.value, help="of a simulation")
    add(
        "--reserve-pct", type=float, default=options.owner.backup_reserve_pct, metavar="PCT",
        help="backup reserve of a simulation, percent",
    )  # fmt: skip
    add("--spool", type=Path, help="SQLite file (default: spool.sqlite3 in each artifact folder)", metavar="FILE")
    add("--spool-max-bytes", type=int, default=options.spool_max_bytes, metavar="N")
    add("--keep-acknowledged", type=int, default=0, metavar="N", help="acknowledged samples kept for audit")
    add("--keep-alive", type=int, default=patience.keep_alive_s, metavar="S")
    add("--acknowledgement-timeout", type=int, default=patience.acknowledgement_s, metavar="S")
    add("--reconnect-max", type=float, default=patience.reconnect_max_s, metavar="S")
    add(
        "--lost-after", type=float, default=pace.lost_after_s, metavar="S",
        help="follow no command once the cloud was not heard of for so long",
    )  # fmt: skip
    add("--drain-timeout", type=float, default=options.drain_timeout_s, metavar="S")
    add("--connect-timeout", type=float, metavar="S", help="end with 5 if not connected by then (default: never)")
    add("--connects-per-s", type=float, default=options.connects_per_s, metavar="R")
    add("--report-interval", type=float, default=options.report_interval_s, metavar="S")
    add("--once", action="store_true", help="take one sample, send all that is there, end")
    add("--wait-when-refused", action="store_true", help="keep sampling and trying when the broker says no")
    add("--fault", choices=list(FAULTS), help="simulate a battery that fails every command, with the reason")
    _add_logging(command)


def _add_logging(command: argparse.ArgumentParser) -> None:
    usual = os.environ.get("FLEET_LOG_FORMAT") or "text"
    command.add_argument("--log-format", metavar="text|json", default=usual, help="default: FLEET_LOG_FORMAT")
    command.add_argument("--debug", action="store_true", help="more logs, and stack traces")


def _pace(given: argparse.Namespace) -> Pace:
    return Pace(
        sample_interval_s=given.sample_interval,
        publish_interval_s=given.publish_interval,
        live_interval_s=given.live_interval,
        backlog_messages_per_s=given.backlog_messages_per_s,
        max_samples=given.max_samples,
        lost_after_s=given.lost_after,
    )


def options_from(given: argparse.Namespace) -> Options:
    """The options in a parsed command line. Raises `InvalidInput` for values that cannot work."""
    return Options(
        pace=_pace(given),
        patience=Patience(given.keep_alive, given.acknowledgement_timeout, reconnect_max_s=given.reconnect_max),
        battery=given.battery,
        battery_timeout_s=given.battery_timeout,
        owner=Control(Mode(given.mode), backup_reserve_pct=given.reserve_pct),
        spool=given.spool,
        spool_max_bytes=given.spool_max_bytes,
        keep_acknowledged=max(0, given.keep_acknowledged),
        drain_timeout_s=given.drain_timeout,
        connect_timeout_s=given.connect_timeout,
        connects_per_s=given.connects_per_s,
        report_interval_s=given.report_interval,
        traces_url=os.environ.get("FLEET_TRACES_URL", ""),
        once=given.once,
        wait_when_refused=given.wait_when_refused,
        fault=FAULTS.get(given.fault or "", ""),
    )
