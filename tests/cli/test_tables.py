"""Rows are printed as they are, and what strangers sent gives no order to the terminal."""

import pytest

from cli.tables import print_table


def test_no_order_to_the_terminal_gets_through(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b]0;title\x07\x1b[2J\x1b[31mred\r\n\x9b2J\x00 ‮fdp.exe"
    print_table([{"why": hostile, "messages": 1}], empty="none")
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 2
    assert all(character.isprintable() for character in printed.replace("\n", ""))
