"""The trial passes a good driver, and finds what is wrong with each of the others, and nothing else."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from device_agent.batteries.contract import Control
from device_agent.batteries.simulated import SimulatedBattery
from device_agent.conformance.findings import (
    ANSWERS,
    COUNTS,
    DOES,
    KILLED,
    ONE_DIRECTION,
    READS,
    RELEASED,
    SAYS,
    Finding,
    Verdict,
    conforms,
    table,
)
from device_agent.conformance.letting_go import _left, fall_silent
from device_agent.conformance.subject import Measure
from device_agent.conformance.trial import check
from device_agent.schedule import Clock
from fleet.errors import InvalidInput
from fleet.telemetry.sample import Mode
from tests.device_agent.conformance import wrong_drivers as wrong

SETPOINTS = ["CHARGE 1000 W", "CHARGE 2500 W", "DISCHARGE 1000 W", "DISCHARGE 2500 W"]
LOADS = ["CHARGE with the load", "DISCHARGE with the load"]
MODES = ["BACKUP", *SETPOINTS[:2], LOADS[0], *SETPOINTS[2:], LOADS[1], "SAVINGS", "SELF_CONSUMPTION", "STANDBY"]


def does(*what: str) -> set[str]:
    return {f"{DOES} {one}" for one in what}


def tried(driver: Callable[[Clock], SimulatedBattery]) -> list[Finding]:
    subject = wrong.subject_of(driver)
    findings = check(subject, fall_silent)
    if isinstance(hang := getattr(subject.driver, "hang", None), type(wrong.HangsInReading.hang)):
        hang.set()
    return findings


def that(findings: list[Finding], verdict: Verdict) -> set[str]:
    return {one.check for one in findings if one.verdict is verdict}


def test_a_good_driver_passes_everything_and_is_told_each_of_its_modes() -> None:
    findings = tried(wrong.Good)
    assert that(findings, Verdict.PASSED) == {one.check for one in findings}
    assert {one.check for one in findings} == {SAYS, ANSWERS, READS, ONE_DIRECTION, COUNTS, RELEASED, KILLED} | does(
        *MODES
    )
    assert conforms(findings)


FOUND = {
    wrong.HangsInReading: ({ANSWERS}, "did not answer within 0.5 s"),
    wrong.HangsInObeying: (does(*MODES) | {RELEASED, KILLED}, "did not answer within 0.5 s"),
    wrong.HangsBeforeItSaysWhatItCan: ({SAYS}, "did not answer within 0.5 s"),
    wrong.RaisesInReading: ({ANSWERS}, "10 of 10 readings were none: OSError('the bus is gone')"),
    wrong.RaisesNowAndThen: ({ANSWERS}, "1 of 10 readings were none"),
    wrong.RaisesInObeying: (does(*MODES) | {RELEASED, KILLED}, "illegal data value"),
    wrong.EndsTheProgram: (does(*MODES) | {RELEASED, KILLED}, "SystemExit"),
    wrong.TheWrongSign: (does(*SETPOINTS, LOADS[0]) | {RELEASED, KILLED}, "the wrong sign"),
    wrong.IgnoresTheSetpoint: (does(*SETPOINTS) | {RELEASED, KILLED}, "with 3000 W"),
    wrong.ObeysNothing: (does(*MODES) - does("SELF_CONSUMPTION") | {RELEASED, KILLED}, "it says that it does SELF"),
    wrong.TellsAnotherMode: (does(*MODES) - does("SAVINGS") | {RELEASED, KILLED}, "it says that it does SAVINGS"),
    wrong.Tires: (does(*MODES) - does("SELF_CONSUMPTION") | {KILLED}, "did not hold it"),
    wrong.NeverReleases: ({RELEASED}, "it is still"),
    wrong.NeverForgets: ({KILLED}, "after 70.0 s it is still"),
    wrong.SaysThatItNeverForgets: ({KILLED}, "needs a watchdog"),
    wrong.LacksAReading: ({READS}, "solar_power_w (10 times)"),
    wrong.ReadsNonsense: ({READS}, "home_power_w (10 times)"),
    wrong.ReadsWhatNobodyKnows: ({READS}, "voltage_v (10 times)"),
    wrong.ReadsMoreThanItSays: ({READS}, "it says that it has no solar_power_w"),
    wrong.CountsBackwards: ({COUNTS}, "home_energy_wh went from"),
    wrong.DoesBothAtOnce: ({ONE_DIRECTION} | does(*SETPOINTS) | {RELEASED, KILLED}, "both at once"),
    wrong.ReadsNoPower: (does(*MODES), "nobody sees whether it obeys"),
    wrong.CanDoNothing: ({SAYS}, "nothing can be asked of it"),
}


@pytest.mark.parametrize("driver", FOUND, ids=lambda driver: driver.__name__)
def test_what_is_wrong_with_a_driver_is_found_and_said(driver: type[wrong.Good]) -> None:
    findings, (wanted, words) = tried(driver), FOUND[driver]
    assert that(findings, Verdict.FAILED) == wanted, table(findings)
    assert any(words in one.seen for one in findings if one.verdict is Verdict.FAILED), table(findings)
    assert not conforms(findings)


def test_a_computer_that_stalls_while_it_looks_is_not_held_against_the_battery() -> None:
    subject = wrong.subject_of(wrong.Good)
    wait, can = subject.wait, subject.capabilities()
    assert can.reverts_after_s
    subject.wait = lambda _: wait(can.reverts_after_s + 2 * subject.bounds.settle_s)
    held = Control(Mode.CHARGE, 2_500)
    subject.obey(held)
    assert _left(KILLED, subject, held, subject.clock.monotonic(), can.reverts_after_s).verdict is Verdict.PASSED


def test_a_driver_that_cannot_close_itself_is_tried_to_the_end() -> None:
    assert conforms(tried(wrong.CannotCloseItself))


@pytest.mark.parametrize(("share", "not_tried"), [(0.99, SETPOINTS[:2]), (0.05, SETPOINTS[2:])])
def test_what_a_full_or_empty_battery_cannot_show_is_not_held_against_its_driver(
    share: float, not_tried: list[str]
) -> None:
    def filled(clock: Clock) -> SimulatedBattery:
        battery = wrong.Good(clock)
        battery._state = replace(battery._state, stored_wh=share * 13_500)
        return battery

    findings = tried(filled)
    assert that(findings, Verdict.NOT_TRIED) == does(*not_tried)
    assert that(findings, Verdict.FAILED) == set(), table(findings)


def test_the_battery_is_let_go_of_when_the_trial_is_broken_off() -> None:
    class Interrupted(wrong.Good):
        released = 0

        def release(self) -> None:
            self.released += 1
            super().release()

    subject = wrong.subject_of(Interrupted)

    def interrupt(*_: object) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(subject, interrupt)
    assert isinstance(subject.driver, Interrupted)
    assert subject.driver.released == 3, "before the trial, once in it, and at its end"


def test_the_table_has_a_line_for_each_finding_with_its_columns_below_each_other() -> None:
    lines = table([Finding("a", Verdict.PASSED, "well"), Finding("longer", Verdict.FAILED, "badly")]).splitlines()
    assert lines == ["check           seen", "a       passed  well", "longer  FAILED  badly"]


@pytest.mark.parametrize("wrong_value", [{"read_s": 0}, {"every_s": -1}, {"timeout_s": float("nan")}])
def test_bounds_that_cannot_work_are_refused(wrong_value: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="must be above 0"):
        Measure(**wrong_value)
