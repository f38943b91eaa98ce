"""`device-agent check-battery` as a maker calls it: one table, and an exit code."""

from pathlib import Path

import pytest

from device_agent.main import main


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("sunspeck:10.0.0.7",), 2, "No battery driver is called 'sunspeck': there are"),
        (("simulation:here",), 2, "has no address"),
        (("simulation", "--seconds", "0"), 2, "read_s is 0.0: it must be above 0"),
    ],
)
def test_what_cannot_be_tried_is_said_in_a_sentence(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, words: str
) -> None:
    assert main(["check-battery", *arguments]) == code
    printed = capsys.readouterr()
    assert (printed.out, words in printed.err, "Traceback" in printed.err) == ("", True, False)


def test_one_that_does_not_conform_ends_with_1_and_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dead_battery.py").write_text(
        "from tests.device_agent.batteries.drivers import OverAWire\n"
        "def fail(call):\n    raise OSError('no route to host')\n"
        "def open_battery(address, place):\n    return OverAWire(before=fail)\n"
    )
    metadata = tmp_path / "dead-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: dead\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[flip_fleet.batteries]\ndead = dead_battery:open_battery\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["check-battery", "dead:10.0.0.7"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "check                        seen",
        "says what it can do  FAILED  OSError('no route to host')",
    ]
