"""Letting go: when it is released, and when whoever held it is killed."""

from collections.abc import Callable
from statistics import median

from device_agent.batteries.contract import Capabilities, Control
from device_agent.conformance.findings import KILLED, RELEASED, Finding, failed, not_tried, passed
from device_agent.conformance.obeying import hold, out_of_range, reach, setpoints
from device_agent.conformance.subject import Subject, doing, said, target_w
from fleet.telemetry.sample import Mode

Kill = Callable[[Subject, Capabilities, Control], str]
"""Hold the battery at a control and be killed; why that did not come about, empty when it did.

The subject's driver is open afterwards, and tells the battery nothing by itself.
"""


def let_go(subject: Subject, can: Capabilities, before_w: list[float], kill: Kill) -> list[Finding]:
    """Whether it lets go, both ways. `before_w` is what the battery did by itself, W, charging positive."""
    try:
        control = _unlike(subject, can, before_w)
    except Exception as error:
        return [failed(RELEASED, said(error)), failed(KILLED, said(error))]
    if control is None:
        why = "nothing that it can be told differs from what it does by itself"
        return [not_tried(RELEASED, why), not_tried(KILLED, why)]
    return [_released(subject, can, control), _killed(subject, can, control, kill)]


def _unlike(subject: Subject, can: Capabilities, before_w: list[float]) -> Control | None:
    """What is furthest from what the battery does by itself, so that letting go can be seen."""
    if not before_w:
        return None
    tried = [
        Control(mode, max(setpoints(mode, can, subject.bounds), default=0.0))
        for mode in (Mode.CHARGE, Mode.DISCHARGE)
        if mode in can.modes
    ]
    tried += [Control(Mode.STANDBY)] if Mode.STANDBY in can.modes else []
    by_itself_w = median(before_w)
    able = [control for control in tried if not out_of_range(subject, control)]
    distance = {control: abs(target_w(control) - by_itself_w) for control in able}
    furthest = max(distance, key=lambda control: distance[control], default=None)
    if furthest is None or distance[furthest] < 3 * subject.bounds.tolerance_of(target_w(furthest)):
        return None
    return furthest


def _released(subject: Subject, can: Capabilities, control: Control) -> Finding:
    try:
        subject.obey(control)
        if problem := reach(subject, can, control):
            return failed(RELEASED, f"was never held: {problem}")
        begun = subject.clock.monotonic()
        subject.release()
        return _left(RELEASED, subject, control, begun, subject.bounds.settle_s)
    except Exception as error:
        return failed(RELEASED, said(error))


def _killed(subject: Subject, can: Capabilities, control: Control, kill: Kill) -> Finding:
    if can.reverts_after_s is None:
        return failed(KILLED, "it says that it never forgets what it was told: the device needs a watchdog")
    try:
        if problem := kill(subject, can, control):
            return failed(KILLED, f"was never held: {problem}")
        begun = subject.clock.monotonic()
        return _left(KILLED, subject, control, begun, can.reverts_after_s + subject.bounds.settle_s)
    except Exception as error:
        return failed(KILLED, said(error))


def _left(check: str, subject: Subject, control: Control, begun: float, within_s: float) -> Finding:
    """Two readings in a row are elsewhere: one may be the noise of the change. The last one is after its time."""
    wanted_w, elsewhere = target_w(control), 0
    now = subject.clock.monotonic
    while True:
        late = now() >= begun + within_s
        power_w = subject.net_w()
        is_there = power_w is None or abs(power_w - wanted_w) <= subject.bounds.tolerance_of(wanted_w)
        elsewhere = 0 if is_there else elsewhere + 1
        if elsewhere == 2 and power_w is not None:
            return passed(check, f"after {now() - begun:.1f} s, {doing(power_w)} then")
        if late and not elsewhere:
            break
        subject.wait(subject.bounds.every_s)
    seen = "nobody reads what it does" if power_w is None else f"it is still {doing(power_w)}"
    return failed(check, f"after {now() - begun:.1f} s {seen}")


def fall_silent(subject: Subject, can: Capabilities, control: Control) -> str:
    """A battery inside the agent's process dies with it: what is left to try is to say nothing any more."""
    subject.obey(control)
    return reach(subject, can, control) or hold(subject, can, control, subject.bounds.hold_s)
