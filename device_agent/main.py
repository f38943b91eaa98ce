"""`device-agent run`, `simulate`, `registration-url` and `check-battery`: the process's entry."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from device_agent.arguments import bounds_from, options_from, parser
from device_agent.batteries.contract import Place
from device_agent.connection import Network
from device_agent.inbox import Inbox
from device_agent.options import Options
from device_agent.runner import Runner
from device_agent.schedule import Clock
from device_agent.stations import open_stations
from fleet import logs
from fleet.devices import DEVICE_FILE, is_thing_name
from fleet.errors import FleetError, InvalidInput
from fleet.tracing import traces_to

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the result is the process's exit code (docs/device-agent.md lists them)."""
    given = parser().parse_args(arguments)
    try:
        logs.configure(given.log_format, logging.DEBUG if given.debug else logging.INFO)
        if given.command == "registration-url":
            _print_registration_url(given)
        elif given.command == "check-battery":
            return _check_battery(given)
        else:
            _run(_folders(given), options_from(given), given.network_threads)
    except FleetError as error:
        logger.log(logging.CRITICAL, "%s", error, exc_info=error if given.debug else None)
        return error.exit_code
    return 0


def _run(folders: list[Path], options: Options, network_threads: int) -> None:
    inbox, clock = Inbox(), Clock()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: inbox.ask_to_stop())
    with ExitStack() as opened:
        network = Network(network_threads)
        stations = open_stations(folders, options, network, clock, inbox.post, opened)
        logger.info("Started with %d device(s).", len(stations))
        opened.callback(traces_to(options.traces_url, "device-agent").close)
        Runner(stations, options, clock, inbox).run()


def _print_registration_url(given: argparse.Namespace) -> None:
    # Imported here: an agent that runs for years needs no QR codes in its memory.
    from device_agent.registration_url import draw_qr, registration_url

    url = registration_url(given.folder, given.base_url, datetime.now(UTC))
    drawn = draw_qr(url, given.qr) if given.qr else ""
    try:
        sys.stdout.write(f"{drawn}{url}\n")
    except UnicodeEncodeError as error:
        raise InvalidInput("This terminal cannot show a QR code: use --qr FILE.png.") from error


def _check_battery(given: argparse.Namespace) -> int:
    # Imported here, as above.
    from device_agent.conformance.findings import conforms, table
    from device_agent.conformance.trial import check_battery

    findings = check_battery(given.battery, Place("battery-check", given.folder), bounds_from(given))
    sys.stdout.write(f"{table(findings)}\n")
    return 0 if conforms(findings) else 1


def _folders(given: argparse.Namespace) -> list[Path]:
    if given.command == "run":
        return [given.folder]
    # Retired devices' folders stay beside the others, under names that no thing can have.
    found = (file.parent for file in given.folders.glob(f"*/{DEVICE_FILE}"))
    folders = sorted(folder for folder in found if is_thing_name(folder.name))
    count = given.count if given.count is not None else len(folders)
    if not 1 <= count <= len(folders):
        raise InvalidInput(
            f"{given.folders} holds {len(folders)} artifact folders, {count} are asked for: provision more devices."
        )
    return folders[:count]


if __name__ == "__main__":
    sys.exit(main())
