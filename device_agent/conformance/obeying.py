"""Telling: each mode within the battery's bounds, whether it gets there, and whether it stays."""

from collections.abc import Iterator

from device_agent.batteries.contract import Capabilities, Control
from device_agent.conformance.findings import DOES, Finding, failed, not_tried, passed
from device_agent.conformance.subject import Measure, Subject, doing, net_w, said, target_w
from fleet.commands.limits import takes_setpoint
from fleet.telemetry.sample import Mode, Sample

_SHARES = (0.2, 0.5)
"""Of the power limit, as setpoints: within bounds, and told apart from each other and from rest."""
_FULL_PCT, _EMPTY_PCT = 95.0, 10.0
_RENEWALS = 3


def controls(can: Capabilities, bounds: Measure) -> Iterator[Control]:
    """What the battery is told, one after the other."""
    for mode in (mode for mode in Mode if mode in can.modes):
        if not takes_setpoint(mode.value):
            yield Control(mode)
            continue
        yield from (Control(mode, setpoint_w) for setpoint_w in setpoints(mode, can, bounds))
        if can.follows_load:
            yield Control(mode)


def setpoints(mode: Mode, can: Capabilities, bounds: Measure) -> list[float]:
    """The setpoints of CHARGE or DISCHARGE that are tried, W."""
    limit_w = can.charge_power_limit_w if mode is Mode.CHARGE else can.discharge_power_limit_w
    return [share * min(limit_w, bounds.power_w) for share in _SHARES] if limit_w > 0 else []


def try_each(subject: Subject, can: Capabilities) -> list[Finding]:
    """Each mode in turn; the battery is released afterwards."""
    return [_try(subject, can, control) for control in controls(can, subject.bounds)]


def called(control: Control) -> str:
    """A control in a few words."""
    if control.setpoint_w is not None:
        return f"{control.mode.value} {control.setpoint_w:.0f} W"
    return f"{control.mode.value}{' with the load' if takes_setpoint(control.mode.value) else ''}"


def _try(subject: Subject, can: Capabilities, control: Control) -> Finding:
    check = f"{DOES} {called(control)}"
    try:
        if why := out_of_range(subject, control):
            return not_tried(check, why)
        begun = subject.clock.monotonic()
        subject.obey(control)
        problem = reach(subject, can, control)
        if problem:
            return failed(check, problem)
        took_s = subject.clock.monotonic() - begun
        problem = hold(subject, can, control, subject.bounds.hold_s)
        return failed(check, problem) if problem else passed(check, f"after {took_s:.1f} s, and held it")
    except Exception as error:
        return failed(check, said(error))


def out_of_range(subject: Subject, control: Control) -> str:
    """Why the battery as it is now could not do it, however well its driver is written; empty when it could."""
    sample = subject.checked(subject.measured())
    charge_pct = sample.state_of_charge_pct if sample else None
    if charge_pct is None or control.setpoint_w is None:
        return ""
    least_pct = max(_EMPTY_PCT, (sample.backup_reserve_pct or 0.0) + 2.0) if sample else _EMPTY_PCT
    if control.mode is Mode.CHARGE and charge_pct > _FULL_PCT:
        return f"it is full, at {charge_pct:g} %"
    if control.mode is Mode.DISCHARGE and charge_pct < least_pct:
        return f"it is empty, at {charge_pct:g} %"
    return ""


def reach(subject: Subject, can: Capabilities, control: Control) -> str:
    """Why the battery did not get to `control` within the time it has; empty when it did."""
    end = subject.clock.monotonic() + subject.bounds.settle_s
    while True:
        problem = _wrong(subject, can, control)
        if not problem or subject.clock.monotonic() >= end:
            return problem
        subject.wait(subject.bounds.every_s)


def hold(subject: Subject, can: Capabilities, control: Control, seconds: float) -> str:
    """Why the battery did not stay there while it was told again as the agent does; empty when it did."""
    now = subject.clock.monotonic
    end, again_s = now() + seconds, (can.reverts_after_s or float("inf")) / _RENEWALS
    again_at = now() + again_s
    while now() < end:
        subject.wait(min(subject.bounds.every_s, again_s))
        if now() >= again_at:
            subject.obey(control)
            again_at = now() + again_s
        if problem := _wrong(subject, can, control):
            return f"did not hold it: {problem}"
    return ""


def _wrong(subject: Subject, can: Capabilities, control: Control) -> str:
    sample = subject.checked(subject.measured())
    if sample is None or (power_w := net_w(sample)) is None:
        return "the battery's powers are not read, so nobody sees whether it obeys"
    if "mode" in can.readings and sample.mode is not control.mode:
        return f"it says that it does {sample.mode.value if sample.mode else 'nothing'}"
    return _wrong_power(control, power_w, sample, subject.bounds)


def _wrong_power(control: Control, power_w: float, sample: Sample, bounds: Measure) -> str:
    if control.setpoint_w is None and control.mode is not Mode.STANDBY:
        return _wrong_direction(control.mode, power_w, sample, bounds)
    wanted_w = target_w(control)
    if abs(power_w - wanted_w) <= bounds.tolerance_of(wanted_w):
        return ""
    if wanted_w and abs(power_w + wanted_w) <= bounds.tolerance_of(wanted_w):
        return f"it is {doing(power_w)}: the wrong sign"
    return f"it is {doing(power_w)}"


def _wrong_direction(mode: Mode, power_w: float, sample: Sample, bounds: Measure) -> str:
    """Without a setpoint the power is the battery's own; but none of these modes goes the other way."""
    keeps = mode is Mode.CHARGE or (mode is Mode.BACKUP and sample.grid_online is not False)
    if (keeps and power_w < -bounds.tolerance_w) or (mode is Mode.DISCHARGE and power_w > bounds.tolerance_w):
        return f"it is {doing(power_w)}"
    return ""
