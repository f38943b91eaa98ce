"""What is done to devices by name, and provisioning: which run that is, once it is agreed to."""

from pathlib import Path
from typing import Any

from cli.consent import agree
from cli.wanted_run import WantedRun
from fleet.devices import ThingName
from fleet.errors import InvalidInput

_NAMED = 5


def provision(
    names: list[str], count: int | None, csv_file: Path | None, csr_folder: Path | None, **more: Any
) -> WantedRun:
    """Raises `InvalidInput` unless exactly one source of names is given and is there."""
    if [bool(names), bool(count), bool(csv_file), bool(csr_folder)].count(True) != 1:
        raise InvalidInput("Give exactly one of names, --count, --csv and --csr-folder.")
    source = {
        "names": checked(names) or None,
        "count": count,
        "csv_file": _is_there(csv_file, "--csv"),
        "csr_folder": _is_there(csr_folder, "--csr-folder"),
    }
    return WantedRun("provision-devices", source | more)


def revoke(names: list[str], yes: bool) -> WantedRun:
    """Shut out."""
    wanted = checked(names)
    agree(f"Shut out {_counted(wanted)}? What they were to do for Flip will have failed.", yes)
    return WantedRun("revoke-devices", {"names": wanted})


def restore(names: list[str]) -> WantedRun:
    """Let in again."""
    return WantedRun("revoke-devices", {"names": checked(names), "restore": True})


def rotate(names: list[str], expires_within_days: int | None, **more: Any) -> WantedRun:
    """Raises `InvalidInput` unless names or days are given."""
    if bool(names) == (expires_within_days is not None):
        raise InvalidInput("Give names or --expires-within, one of the two.")
    source = {"names": checked(names) or None, "expires_within_days": expires_within_days}
    return WantedRun("rotate-certificates", source | more)


def transfer(name: str, to_email: str, yes: bool) -> WantedRun:
    """Take from its owner."""
    (wanted,) = checked([name])
    agree(f"Take {wanted} from its owner, at Flip too?", yes)
    return WantedRun("transfer-device", {"thing_name": wanted, "to_email": to_email})


def decommission(names: list[str], yes: bool) -> WantedRun:
    """Take out of service."""
    wanted = checked(names)
    agree(f"Delete certificates, keys and things of {_counted(wanted)} for good?", yes)
    return WantedRun("decommission-devices", {"names": wanted})


def checked(names: list[str]) -> list[str]:
    """Each name once. Raises `InvalidInput` for one that no thing can have."""
    return list(dict.fromkeys(ThingName(name).value for name in names))


def _counted(names: list[str]) -> str:
    named = ", ".join(names[:_NAMED])
    return named if len(names) <= _NAMED else f"{named} and {len(names) - _NAMED} more"


def _is_there(path: Path | None, option: str) -> str | None:
    """As an absolute path: whoever serves the flow works in a folder of its own."""
    if path is None:
        return None
    if not path.exists():
        raise InvalidInput(f"{option} {path} is not there.")
    return str(path.resolve())
