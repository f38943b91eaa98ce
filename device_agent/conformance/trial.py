"""The whole trial of a battery, from its name to the table."""

from collections.abc import Callable
from functools import partial

from device_agent.batteries.catalogue import open_battery
from device_agent.batteries.contract import Place
from device_agent.conformance.findings import SAYS, Finding, failed, not_tried, passed
from device_agent.conformance.holder import killing
from device_agent.conformance.letting_go import Kill, fall_silent, let_go
from device_agent.conformance.obeying import try_each
from device_agent.conformance.reading import look_at, read_for_a_while
from device_agent.conformance.subject import Measure, Subject, said
from fleet.telemetry.sample import Mode


def check_battery(battery: str, place: Place, bounds: Measure) -> list[Finding]:
    """Try the battery that `battery`, NAME or NAME:ADDRESS, names. Raises what `open_battery` raises."""
    subject = Subject(lambda: open_battery(battery, place), bounds)
    return check(subject, partial(killing, battery, place) if subject.driver.waits else fall_silent)


def check(subject: Subject, kill: Kill) -> list[Finding]:
    """Try `subject`, and let go of it whatever happens."""
    try:
        return _check(subject, kill)
    finally:
        _at_last(subject.release)
        subject.close()


def _check(subject: Subject, kill: Kill) -> list[Finding]:
    try:
        can = subject.capabilities()
    except Exception as error:
        return [failed(SAYS, said(error))]
    if not can.modes:
        return [failed(SAYS, "it has no mode: nothing can be asked of it")]
    modes = ", ".join(mode.value for mode in Mode if mode in can.modes)
    limits = f"{can.charge_power_limit_w:g} W in, {can.discharge_power_limit_w:g} W out"
    forgets = f"forgets after {can.reverts_after_s:g} s" if can.reverts_after_s else "never forgets"
    findings = [passed(SAYS, f"{modes}; {limits}; {forgets}")]
    _at_last(subject.release)
    read = read_for_a_while(subject, can)
    findings += look_at(read, subject, can)
    if not read.samples:
        return [*findings, not_tried("obeys and lets go", "nothing is read, so nobody sees what it does")]
    return [*findings, *try_each(subject, can), *let_go(subject, can, read.before_w, kill)]


def _at_last(release: Callable[[], None]) -> None:
    """What comes of it shows where letting go is tried."""
    try:
        release()
    except Exception:
        return
