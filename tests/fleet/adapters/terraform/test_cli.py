import os
import sys
import time
from pathlib import Path

import pytest

from fleet.adapters.terraform import bundled
from fleet.adapters.terraform.cli import Finished, Program, find_mirror, find_program, parse_line, run
from fleet.errors import NotConfigured

PROVIDER = "registry.terraform.io/hashicorp/aws/5.100.0/linux_amd64"

STANDS_IN = """
import signal, sys, time
if sys.argv[1] == "wait":
    def interrupted(*_):
        print("lock freed", flush=True)
        sys.exit(1)
    signal.signal(signal.SIGINT, interrupted)
    print("started", flush=True)
    time.sleep(60)
print(*sys.argv[1:], sep="\\n")
print("to stderr", file=sys.stderr)
sys.exit(3)
"""


@pytest.fixture
def program(folder: Path) -> Program:
    """A program that behaves as a long Terraform command does, without its minutes."""
    script = folder / "stands_in.py"
    script.write_text(STANDS_IN)
    return Program(sys.executable, str(script))


def call(program: Program, command: str, on_line: object = lambda raw: None, timeout_s: float = 20) -> Finished:
    arguments = (command, ["planfile"], {"input": False, "lock_timeout": "3s"})
    return run(program, arguments, Path.cwd(), dict(os.environ), timeout_s, on_line)  # type: ignore[arg-type]


def test_a_binary_on_the_path_comes_first(folder: Path) -> None:
    binary = folder / "terraform"
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    assert find_program(str(folder)) == Program(str(binary))


def test_without_a_binary_the_bundled_one_is_used_or_the_sentence_says_how_to_get_one(folder: Path) -> None:
    if bundled.is_installed():
        assert find_program(str(folder)).prefix == f"-m {bundled.MODULE}"
    else:
        with pytest.raises(NotConfigured, match="Terraform is missing: install it"):
            find_program(str(folder))


@pytest.mark.parametrize("place", ["home/.terraform.d/plugins", "home/.local/share/terraform/plugins", "opt/anything"])
def test_a_mirror_is_found_in_its_usual_places(folder: Path, place: str) -> None:
    (folder / place / PROVIDER).mkdir(parents=True)
    assert find_mirror(None, folder / "home", folder) == folder / place


def test_a_named_mirror_wins_and_a_wrong_one_is_told(folder: Path) -> None:
    (folder / "opt/other" / PROVIDER).mkdir(parents=True)
    (folder / "mine" / PROVIDER).mkdir(parents=True)
    assert find_mirror(folder / "mine", folder, folder) == folder / "mine"
    with pytest.raises(NotConfigured, match="FLEET_TERRAFORM_MIRROR is"):
        find_mirror(folder / "nothing", folder, folder)


def test_no_mirror_is_no_error(folder: Path) -> None:
    assert find_mirror(None, folder, folder) is None


def test_a_diagnostic_becomes_one_line_with_its_resource() -> None:
    line = parse_line(
        b'{"@level":"error","@message":"Error: x","type":"diagnostic","diagnostic":{"severity":"error",'
        b'"summary":"creating queue","detail":"AccessDenied:\\n no.\\n\\nLong","address":"aws_sqs_queue.a"}}'
    )
    assert line.text == "aws_sqs_queue.a: creating queue AccessDenied: no."
    assert (line.kind, line.level, line.is_positioned) == ("diagnostic", "error", True)


def test_reading_what_is_there_is_no_news() -> None:
    assert not parse_line(b'{"@message":"x: Refreshing","type":"refresh_start"}').is_news
    assert not parse_line(b'{"@message":"x","type":"apply_complete","hook":{"action":"read"}}').is_news
    assert parse_line(b'{"@message":"x","type":"apply_complete","hook":{"action":"create"}}').is_news


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"plain words\n", b"[]", b'{"type": 1}'])
def test_what_is_no_event_is_a_plain_line(raw: bytes) -> None:
    assert parse_line(raw).kind == "log"


def test_a_command_gets_its_options_and_its_code_and_errors_come_back(program: Program) -> None:
    finished = call(program, "apply")
    assert finished.output.decode().split() == ["apply", "-input=false", "-lock-timeout=3s", "planfile"]
    assert (finished.exit_code, finished.errors, finished.timed_out) == (3, "to stderr", False)


def test_lines_are_handed_on_as_they_come(program: Program) -> None:
    seen: list[float] = []
    started = time.monotonic()
    call(program, "wait", on_line=lambda raw: seen.append(time.monotonic() - started), timeout_s=3)
    assert seen[0] < 2.5 < seen[-1]


def test_a_command_over_its_time_is_interrupted_so_that_it_frees_its_lock(program: Program) -> None:
    finished = call(program, "wait", timeout_s=1)
    assert finished.timed_out
    assert finished.output.decode().split("\n")[:2] == ["started", "lock freed"]


def test_a_caller_that_is_cancelled_stops_the_command(program: Program, folder: Path) -> None:
    started = time.monotonic()

    def cancelled(raw: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(program, "wait", on_line=cancelled)
    assert time.monotonic() - started < 10
