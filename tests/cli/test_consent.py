"""Who sits at a terminal is asked, and nothing is done after a no."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


def answered(answer: str, *words: str, folder: Path) -> tuple[int, str]:
    """`fleet` at a terminal where somebody types `answer` to its question: exit code, what the terminal showed."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "DATABASE_URL": ""}
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *words], cwd=folder, env=environment,
        stdin=theirs, stdout=subprocess.PIPE, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(ours, 1_000)
    os.write(ours, answer.encode() + b"\n")
    code = process.wait(30)
    shown += os.read(ours, 10_000)
    os.close(ours)
    assert process.stdout is not None
    with process.stdout as said:
        assert said.read() == b""
    return code, shown.decode()


@pytest.mark.parametrize(("answer", "code", "says"), [("n", 1, "Nothing was changed."), ("y", 3, "DATABASE_URL")])
def test_a_no_changes_nothing_and_a_yes_goes_on(tmp_path: Path, answer: str, code: int, says: str) -> None:
    ended, shown = answered(answer, "app-credential", "--revoke", "4711", folder=tmp_path)
    assert "End 4711?" in shown
    assert ended == code and f"fleet: {says}" in shown and "Traceback" not in shown
