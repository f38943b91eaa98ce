"""`fleet up` and `fleet down`: the embedded cloud in the background, or in this terminal."""

import signal
import subprocess
import sys
import time
from queue import Empty, SimpleQueue

import psutil

from cli.output import Output, progress_elsewhere
from fleet.errors import FleetError, InvalidInput, Unavailable
from local_cloud.cloud import running
from local_cloud.running import Cloud
from local_cloud.servers import log_file
from local_cloud.settings import get_local_settings
from local_cloud.state import State

_START_S, _STOP_S = 180, 120


def up_and_tell(foreground: bool, out: Output) -> None:
    """Start the cloud; as JSON who holds it and where it is. Raises `InvalidInput` for that in the foreground."""
    if foreground and out.as_json:
        raise InvalidInput("Give --foreground or --json, not both: in the foreground nothing is over.")
    with progress_elsewhere(out.as_json):
        up(foreground)
    if out.as_json:
        local = get_local_settings()
        holder = State(local.state_dir.resolve()).supervisor()
        out.result({"running": holder is not None, "pid": holder and holder.pid, "ports": local.ports})


def down_and_tell(out: Output) -> None:
    """Stop the cloud."""
    with progress_elsewhere(out.as_json):
        down()
    if out.as_json:
        out.result({"running": False})


def up(foreground: bool) -> None:
    """Start the cloud and return when it is ready; in the foreground, stay until Ctrl-C."""
    local = get_local_settings()
    state = State(local.state_dir.resolve())
    if foreground:
        with running(local, print) as cloud:
            cloud.wait_for_flows()
            asked = _asked_to_stop()  # before anybody may ask: `down` does as soon as it sees that we are ready
            state.mark_ready()
            _stay(cloud, asked)
        return
    if holder := state.supervisor():
        print(f"The embedded cloud runs already (process {holder.pid}).")
        return
    state.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = log_file(state.logs / "cloud.log")
    log.truncate(0)
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.app", "up", "--foreground"],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    _wait_until_ready(process, state)
    print((state.logs / "cloud.log").read_text().strip())


def down() -> None:
    """Stop the cloud that holds this state, whoever started it, and wait for it."""
    state = State(get_local_settings().state_dir.resolve())
    holder = state.supervisor()
    if holder is None:
        orphans = state.stop_orphans()
        state.release()
        print(
            f"Stopped what a killed run had left: {', '.join(orphans)}."
            if orphans
            else "The embedded cloud is not running."
        )
        return
    holder.send_signal(signal.SIGTERM)
    try:
        holder.wait(_STOP_S)
    except psutil.TimeoutExpired as error:
        raise Unavailable(f"Process {holder.pid} did not stop within {_STOP_S} s: read {state.logs}.") from error
    print("Stopped.")


def _asked_to_stop() -> SimpleQueue[None]:
    """A queue that Ctrl-C and SIGTERM write to; an `Event` may not be set in a handler, which may hold its lock."""
    asked = SimpleQueue[None]()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.put(None))
    return asked


def _stay(cloud: Cloud, asked: SimpleQueue[None]) -> None:
    """Wait until we are asked to stop. Raises `Unavailable` if a server stops by itself."""
    while True:
        try:
            return asked.get(timeout=1)
        except Empty:
            if name := cloud.ended():
                raise Unavailable(f"{name} stopped by itself: {cloud.state.logs / name}.log says why.") from None


def _wait_until_ready(process: subprocess.Popen[bytes], state: State) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if state.is_ready():
            return
        if process.poll() is not None:
            text = (state.logs / "cloud.log").read_text().strip()
            kinds = {kind.exit_code: kind for kind in FleetError.__subclasses__()}
            kind = kinds.get(process.returncode, Unavailable)
            raise kind(text.splitlines()[-1].removeprefix("fleet: ") if text else "The embedded cloud did not start.")
        time.sleep(0.2)
    process.terminate()
    raise Unavailable(f"The embedded cloud was not ready within {_START_S} s: read {state.logs}.")
