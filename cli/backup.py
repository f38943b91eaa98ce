"""`fleet backup` and `fleet restore`: the database's content in one file, and back into an empty database."""

from pathlib import Path

from fleet.adapters.postgres import backups
from fleet.settings import get_settings

_AFTERWARDS = """\
What happened since the backup is not in the database: let reconcile-flip run (hourly, or by hand), and look at the page
Fleet for batteries that acknowledge what the database does not know of (docs/backup.md)."""


def backup(file: Path, with_samples: bool) -> None:
    """Write the backup, a line a table."""
    manifest = backups.backup(get_settings(), file, print, with_samples)
    print(f"{file}: {manifest.rows:,} rows of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC, {file.stat().st_size:,} bytes")


def restore(file: Path) -> None:
    """Fill the empty database of DATABASE_URL, a line a table."""
    manifest = backups.restore(get_settings(), file, print)
    print(f"Restored: {manifest.rows:,} rows of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC. {_AFTERWARDS}")
