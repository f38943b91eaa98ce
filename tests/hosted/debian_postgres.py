"""Another major version of PostgreSQL, where Debian's package is installed."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

_SYSTEM_USER = "postgres"
_SUPERUSER = "postgres"


@contextmanager
def running(home: Path, version: int) -> Iterator[str]:
    """The superuser's address of a new server in `home`, on a socket alone. Skips where it is not installed."""
    programs = Path(f"/usr/lib/postgresql/{version}/bin")
    if not programs.is_dir():
        pytest.skip(f"PostgreSQL {version} is not installed: apt-get install postgresql-{version} (Debian) brings it.")
    folder = home / "cluster"
    folder.mkdir()
    if os.geteuid() == 0:  # PostgreSQL refuses to be root
        home.chmod(0o711)
        os.chown(folder, *_ids_of(_SYSTEM_USER))
    data = folder / "data"
    _run(programs / "initdb", "--auth=trust", "--encoding=utf8", "--no-sync", f"--username={_SUPERUSER}", "-D", data)
    _control(programs, data, "start", "-o", f"-h '' -k {folder} -F", "-l", folder / "log")
    try:
        yield make_conninfo(host=str(folder), user=_SUPERUSER, dbname="postgres")
    finally:
        _control(programs, data, "stop", "-m", "immediate")


def _control(programs: Path, data: Path, *arguments: object) -> None:
    _run(programs / "pg_ctl", "-w", "-D", data, *arguments)


def _run(*command: object) -> None:
    user = _SYSTEM_USER if os.geteuid() == 0 else None
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, user=user, cwd="/")


def _ids_of(name: str) -> tuple[int, int]:
    import pwd

    entry = pwd.getpwnam(name)
    return entry.pw_uid, entry.pw_gid
