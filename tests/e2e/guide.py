"""A page's commands, run as a reader would: in order, in a shell, in a folder of their own.

What a fenced block is says its first line: `sh` is run to its end; `sh service` goes on in a terminal of its own;
`sh again` is run until it shows what it should; `ini` are settings that the reader fills in; `text` is what the block
before should show: its lines in this order, anything between and around them, `...` for anything, any number of spaces.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

_COMMAND_S, _SERVICE_S, _AGAIN_S, _END_S = 420.0, 90.0, 300.0, 100.0
_FENCE = re.compile(r"^```([a-z ]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block and what it should show."""

    kind: str
    text: str
    shows: str = ""


@dataclass(frozen=True)
class Section:
    """What is under a heading: `title` is that without its number."""

    title: str
    blocks: list[Block]


def sections(page: Path) -> Iterator[Section]:
    """The page's sections in their order."""
    for heading in re.split(r"^## ", page.read_text(), flags=re.MULTILINE)[1:]:
        title, _, text = heading.partition("\n")
        blocks: list[Block] = []
        for kind, content in _FENCE.findall(text):
            if kind == "text":
                last = blocks.pop()
                assert not last.shows, f"{title}: two blocks of text after another"
                blocks.append(Block(last.kind, last.text, content))
            else:
                blocks.append(Block(kind, content))
        yield Section(re.sub(r"^\d+\. ", "", title), blocks)


def shows(said: str, expected: str) -> bool:
    """Whether `expected`, a block of text, is in what was said."""
    lines = (r".*?".join(map(re.escape, line.split("..."))) for line in expected.splitlines())
    return re.search(r"[\s\S]*?".join(line.replace(r"\ ", r"\s+") for line in lines), said) is not None


@dataclass
class Reader:
    """Runs blocks in `folder`, with `environment` and nothing else; fills in settings by `values`."""

    folder: Path
    environment: Mapping[str, str]
    values: Mapping[str, str]
    services: list[tuple[str, subprocess.Popen[bytes], Path]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop("")

    def do(self, block: Block) -> None:
        """What a reader does at that block; an assertion says what went otherwise than the page says."""
        match block.kind:
            case "ini":
                self._fill_in(block)
            case "sh service":
                self._serve(block)
            case "sh again":
                self._until_it_shows(block)
            case "sh":
                said = self._run(block.text)
                assert shows(said, block.shows), f"{block.text}\nshows\n{said}\nand not\n{block.shows}"
            case other:
                raise AssertionError(f"a block of the kind {other!r}")

    def stop(self, part: str) -> None:
        """Ctrl-C in the terminals whose commands have `part` in them, the newest first."""
        for service in [each for each in reversed(self.services) if part in each[0]]:
            command, process, log = service
            left = _with_children(process.pid)
            for _ in range(2):  # who waits long does it again
                with suppress(ProcessLookupError):  # it has ended by itself
                    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
                _, left = psutil.wait_procs(left, timeout=_END_S)
            for each in left:
                each.kill()
            process.wait()
            self.services.remove(service)
            assert not left, f"{command} did not end: {log.read_text()[-2000:]}"

    def _fill_in(self, block: Block) -> None:
        names = re.findall(r"^(\w+)=", block.text, re.MULTILINE)
        with (self.folder / ".env").open("a") as file:
            file.writelines(f"\n{name}={self.values[name]}" for name in names)
            file.write("\n")

    def _serve(self, block: Block) -> None:
        log = self.folder / f"terminal-{len(self.services)}-{time.monotonic_ns()}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                ["bash", "-c", block.text],
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.services.append((block.text, process, log))
        deadline = time.monotonic() + _SERVICE_S
        while not shows(log.read_text(), block.shows):
            assert process.poll() is None and time.monotonic() < deadline, f"{block.text}\n{log.read_text()[-4000:]}"
            time.sleep(0.2)

    def _until_it_shows(self, block: Block) -> None:
        deadline = time.monotonic() + _AGAIN_S
        while not shows(said := self._run(block.text), block.shows):
            assert time.monotonic() < deadline, f"{block.text}\nshows\n{said}\nand not\n{block.shows}"
            time.sleep(2)

    def _run(self, text: str) -> str:
        ended = subprocess.run(
            ["bash", "-e", "-c", text],
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_COMMAND_S,
            check=False,
        )
        said = ended.stdout.decode()
        self.said.append(said)
        assert ended.returncode == 0, f"{text}\nended with {ended.returncode}:\n{said[-4000:]}"
        return said


def _with_children(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
