"""A process that holds a battery until it is killed: `python -m device_agent.conformance.holder`.

It opens the driver by itself, as an agent does, and its own is the only one that is open: many devices take one
connection. A line on its output says that it holds the battery now, or why it does not.
"""

import subprocess
import sys
from pathlib import Path

import msgspec

from device_agent.batteries.bounded import Bounded
from device_agent.batteries.catalogue import open_battery
from device_agent.batteries.contract import Capabilities, Control, Place
from device_agent.conformance.obeying import hold, reach
from device_agent.conformance.subject import Measure, Subject, said

_STARTS_WITHIN_S = 20.0
_HELD = "held"


class Job(msgspec.Struct, frozen=True):
    """What a holder is asked to do."""

    battery: str
    folder: str
    thing_name: str
    control: Control
    bounds: Measure


def killing(battery: str, place: Place, subject: Subject, can: Capabilities, control: Control) -> str:
    """Have a process hold `battery` at `control`, and kill it; why it did not hold it, empty when it did."""
    del can  # the process asks for itself
    job = Job(battery, str(place.folder), place.thing_name, control, subject.bounds)
    subject.close()
    command = [sys.executable, "-m", "device_agent.conformance.holder", msgspec.json.encode(job).decode()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            answer = _first_line(process, subject.bounds)
        finally:
            process.kill()
    subject.open()
    return "" if answer == _HELD else answer


def _first_line(process: "subprocess.Popen[str]", bounds: Measure) -> str:
    waits_s = _STARTS_WITHIN_S + 2 * bounds.settle_s + bounds.hold_s + 3 * bounds.timeout_s
    output = process.stdout
    line = Bounded(waits_s).call(lambda: output.readline() if output else "")
    return line.strip() or "the process that was to hold it ended"


def _hold(job: Job) -> None:
    place = Place(job.thing_name, Path(job.folder))
    subject = Subject(lambda: open_battery(job.battery, place), job.bounds)
    can = subject.capabilities()
    subject.obey(job.control)
    problem = reach(subject, can, job.control) or hold(subject, can, job.control, job.bounds.hold_s)
    print(problem or _HELD, flush=True)  # noqa: T201
    while not problem:
        hold(subject, can, job.control, 3600.0)


if __name__ == "__main__":
    try:
        _hold(msgspec.json.decode(sys.argv[1], type=Job))
    except Exception as error:
        print(said(error), flush=True)  # noqa: T201
