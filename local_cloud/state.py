"""What the embedded cloud keeps on disk in `.fleet/`, and how it knows whether it was stopped in order."""

import json
import os
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

import psutil
from dotenv import dotenv_values

from fleet.devices import write_owner_only
from fleet.errors import Conflict
from fleet.settings import LOCAL_FILE

IN_MEMORY = "state-is-in-memory"
"""A file in the emulator's folder while it runs. An emulator that is killed leaves the file, and its state is lost."""

# What belongs together: the emulator's things, the database that lists them, the devices' keys, Terraform's state.
_GENERATION = ("aws", "postgres", "devices", "terraform", "infrastructure", "outputs.json", "prefect", "iot-ca.pem",
    "supabase", "flip.sqlite3", "web", "web-access-key.secret", "operator-access-key.secret",
)  # fmt: skip
_changing_record = Lock()  # processes are started side by side


@dataclass(frozen=True)
class State:
    """The folder and what is in it. Only one supervisor at a time holds it."""

    folder: Path

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def environment_file(self) -> Path:
        return self.folder / LOCAL_FILE

    @property
    def _supervisor_file(self) -> Path:
        return self.folder / "supervisor.json"

    def supervisor(self) -> psutil.Process | None:
        """The process that holds this state now, or None. A recycled process id is not mistaken for it."""
        try:
            record = json.loads(self._supervisor_file.read_text())
            process = psutil.Process(record["pid"])
            lives = process.create_time() == record["created"] and process.status() != psutil.STATUS_ZOMBIE
            return process if lives else None
        except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
            return None

    def hold(self) -> None:
        """Become the supervisor. Raises `Conflict` naming the one that is."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if holder := self.supervisor():
            raise Conflict(f"The embedded cloud runs already (process {holder.pid}): stop it with `make down`.")
        self.folder.chmod(0o700)  # also one that somebody else made: keys and the state are in it
        record = {"pid": os.getpid(), "created": psutil.Process().create_time(), "children": {}}
        self._supervisor_file.write_text(json.dumps(record))

    def remember_child(self, name: str, pid: int) -> None:
        """Write down a process that we started, so that it can be stopped if we are killed."""
        with _changing_record:
            record = json.loads(self._supervisor_file.read_text())
            record["children"][name] = [pid, psutil.Process(pid).create_time()]
            self._supervisor_file.write_text(json.dumps(record))

    def stop_orphans(self) -> list[str]:
        """Stop what a killed supervisor left running, by process id and start time; returns their names."""
        try:
            children = json.loads(self._supervisor_file.read_text()).get("children", {})
        except (OSError, ValueError):
            return []
        stopped = []
        for name, (pid, created) in reversed(children.items()):
            try:
                process = psutil.Process(pid)
                if process.create_time() != created:
                    continue
                _stop_tree(process)
            except psutil.NoSuchProcess:
                continue
            stopped.append(name)
        return stopped

    def mark_ready(self) -> None:
        """Tell whoever waits that everything is up."""
        with _changing_record:
            record = json.loads(self._supervisor_file.read_text())
            self._supervisor_file.write_text(json.dumps({**record, "ready": True}))

    def is_ready(self) -> bool:
        """Whether a supervisor holds this state and everything is up."""
        return self.supervisor() is not None and bool(json.loads(self._supervisor_file.read_text()).get("ready"))

    def release(self) -> None:
        """No longer the supervisor; everything was stopped in order."""
        self._supervisor_file.unlink(missing_ok=True)

    def survived(self) -> bool:
        """Whether the emulator ended in order, so that its state is whole; its supervisor may have been killed."""
        return not (self.folder / "aws" / IN_MEMORY).exists()

    def set_aside(self, now: datetime) -> Path:
        """Move a generation whose emulator lost its state out of the way; nothing is deleted but older ones."""
        for older in self.folder.glob("before-crash-*"):
            shutil.rmtree(older)
        aside = self.folder / f"before-crash-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        aside.mkdir()
        for name in _GENERATION:
            if (self.folder / name).exists():
                (self.folder / name).rename(aside / name)
        return aside

    def secret(self, name: str) -> str:
        """A secret made once and kept in a file that only the owner reads."""
        file = self.folder / f"{name}.secret"
        if not file.exists():
            write_owner_only(file, secrets.token_urlsafe(32).encode())
        return file.read_text()

    def has_secret(self, name: str) -> bool:
        """Whether that secret was made."""
        return (self.folder / f"{name}.secret").exists()

    def forget_environment(self) -> None:
        """Take the last run's addresses out of this process: what an operator set differently stays."""
        for name, value in dotenv_values(self.environment_file).items():
            if os.environ.get(name) == value:
                del os.environ[name]

    def write_environment(self, values: dict[str, str]) -> None:
        """Add to the environment file that every other command reads; a value that was there is replaced."""
        kept = {name: value for name, value in dotenv_values(self.environment_file).items() if value is not None}
        lines = ["# Written by the embedded cloud at each start; it is read where there is no .env."]
        for name, value in {**kept, **values}.items():
            quoted = value.replace("\\", "\\\\").replace("'", "\\'")
            lines.append(f"{name}='{quoted}'")
        write_owner_only(self.environment_file, "\n".join([*lines, ""]).encode())


def _stop_tree(process: psutil.Process) -> None:
    """Ask a process and its children to end, then make them."""
    family = [process, *process.children(recursive=True)]
    process.terminate()
    _, alive = psutil.wait_procs(family, timeout=15)
    for survivor in alive:
        survivor.kill()
