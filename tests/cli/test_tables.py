"""Rows are printed as they are, and what strangers sent gives no order to the terminal."""

import sys

import pytest

from cli.tables import print_table


def test_no_order_to_the_terminal_gets_through(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b]0;title\x07\x1b[2J\x1b[31mred\r\n\x9b2J\x00 ‮fdp.exe"
    print_table([{"why": hostile, "messages": 1}], empty="none")
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 2
    assert all(character.isprintable() for character in printed.replace("\n", ""))


def test_a_terminal_gets_a_drawn_table_and_strangers_still_give_no_order(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "60")
    print_table(
        [{"thing_name": "a", "why": "\x1b[2J[red]no markup[/red]", "heard": None, "soc_pct": 50.0}], empty="none"
    )
    printed = capsys.readouterr().out
    assert "─" in printed and "thing name" in printed
    assert "[red]no markup[/red]" in printed and "\x1b" not in printed


def test_a_pipe_gets_a_line_a_row_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"why": "long " * 100, "is_open": True}], empty="none")
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["why", "is", "open"] and row.endswith("yes")
