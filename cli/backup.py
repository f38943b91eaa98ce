"""`fleet backup` and `fleet restore`: the database's content in one file, and back into an empty database."""

from pathlib import Path
from typing import Any

from cli.output import Output
from fleet.adapters.postgres import backups
from fleet.adapters.postgres.backups import Manifest
from fleet.settings import get_settings

_AFTERWARDS = """\
What happened since the backup is not in the database: let reconcile-flip run (hourly, or by hand), and look at the page
Fleet for batteries that acknowledge what the database does not know of (docs/backup.md)."""


def backup(file: Path, with_samples: bool, out: Output) -> None:
    """Write the backup, a line a table."""
    manifest = backups.backup(get_settings(), file, out.say, with_samples)
    found = {**_told(file, manifest), "bytes": file.stat().st_size}
    out.result(found, f"{file}: {_of(manifest)}, {found['bytes']:,} bytes")


def restore(file: Path, out: Output) -> None:
    """Fill the empty database of DATABASE_URL, a line a table."""
    manifest = backups.restore(get_settings(), file, out.say)
    out.result(_told(file, manifest), f"Restored: {_of(manifest)}. {_AFTERWARDS}")


def _told(file: Path, manifest: Manifest) -> dict[str, Any]:
    return {"file": file, "rows": manifest.rows, "made_at": manifest.made_at}


def _of(manifest: Manifest) -> str:
    return f"{manifest.rows:,} rows of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC"
