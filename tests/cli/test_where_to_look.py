"""What the demo says once it is up."""

import pytest

from cli.where_to_look import print_box

LINK = "http://127.0.0.1:8501/register?token=" + "x" * 400


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")


def told(capsys: pytest.CaptureFixture[str], free: str = "battery-1", link: str = LINK) -> list[str]:
    print_box("http://127.0.0.1:4200", "http://127.0.0.1:8501", "operator@example.com", free, link)
    return capsys.readouterr().out.splitlines()


def test_addresses_and_who_signs_in_are_in_one_short_box(capsys: pytest.CaptureFixture[str]) -> None:
    box = told(capsys)[:-1]
    assert len(box) == 10 and box[0].startswith("╭") and box[-1].startswith("╰")
    for place in ("http://127.0.0.1:8501 ", "http://127.0.0.1:8501/dispatches ", "http://127.0.0.1:4200"):
        assert any(place in line for line in box), place
    assert any("as operator@example.com" in line for line in box)


def test_on_a_narrow_terminal_the_addresses_stay_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert any("http://127.0.0.1:8501/dispatches " in line for line in told(capsys))


def test_the_link_is_a_line_of_its_own_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys)[-1] == f"battery-1, for 15 minutes: {LINK}"


def test_where_no_battery_is_left_none_is_offered(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, free="", link="")
    assert lines[-1].startswith("╰") and not any("register" in line for line in lines)
    assert sum(line.strip("│ ")[:2] in ("1.", "2.", "3.") for line in lines) == 2
