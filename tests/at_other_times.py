"""`python -m tests.at_other_times [PYTEST OPTIONS]`: the same tests with the clock elsewhere, on the moments that hurt.

The variable MOMENT names one of them, by a part of its name; without it each has its turn.

The clock of pytest and of every process that it starts is moved by libfaketime; it then goes on as usual, and the
monotonic clock, which waits and timeouts read, is left alone.
"""

import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import distribution
from zoneinfo import ZoneInfo

NEW_YORK = "America/New_York"
MOMENTS = {
    "the day ends in half a minute": ("UTC", datetime(2026, 12, 30, 23, 59, 30, tzinfo=UTC)),
    "29 February ends in half a minute": ("UTC", datetime(2028, 2, 29, 23, 59, 30, tzinfo=UTC)),
    "the clock is put forward": (NEW_YORK, datetime(2027, 3, 14, 1, 59, 30, tzinfo=ZoneInfo(NEW_YORK))),
    "the clock is put back": (NEW_YORK, datetime(2027, 11, 7, 1, 59, 30, tzinfo=ZoneInfo(NEW_YORK))),
}


def library() -> str:
    """The library inside the package: its program cannot leave the monotonic clock alone."""
    files = distribution("libfaketime").files or []
    return str(next(file.locate() for file in files if file.name.endswith("libfaketime.so.1")))


def environment(zone: str, moment: datetime) -> dict[str, str]:
    """What moves a process's clock to `moment`, and keeps it in step with those started earlier and later."""
    return {
        "LD_PRELOAD": library(),
        "FAKETIME": f"{(moment - datetime.now(UTC)).total_seconds():+.0f}",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",  # files' times stay: Python compares them with those in its compiled files
        "TZ": zone,
    }


def main() -> None:
    """Run pytest at each moment; the exit code is 1 if it failed at any."""
    failed, wanted = list[str](), os.environ.get("MOMENT", "")
    chosen = {name: moment for name, moment in MOMENTS.items() if wanted in name}
    if not chosen:
        sys.exit(f"MOMENT={wanted} is part of none of these: {'; '.join(MOMENTS)}")
    for name, (zone, moment) in chosen.items():
        sys.stdout.write(f"{name}: {moment.isoformat()} {zone}\n")
        sys.stdout.flush()
        command = [sys.executable, "-m", "pytest", *sys.argv[1:]]
        if subprocess.run(command, env={**os.environ, **environment(zone, moment)}, check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed when {', and when '.join(failed)}")


if __name__ == "__main__":
    main()
