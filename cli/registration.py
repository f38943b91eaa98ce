"""`fleet registration-url`: the link that makes a battery its owner's, signed with the key in its artifact folder."""

from datetime import UTC, datetime
from pathlib import Path

from cli.output import Output
from device_agent.registration_url import draw_qr, registration_url
from fleet.devices import DEVICE_FILE, is_thing_name
from fleet.errors import InvalidInput, NotFound
from fleet.registration.link import LIFETIME
from fleet.settings import get_settings


def show(out: Output, name: str, base_url: str, qr: str) -> None:
    """Print the link, and its QR code where that is wanted. Raises `NotFound` where the folder is not here."""
    settings, now = get_settings(), datetime.now(UTC)
    folder = _folder(name, settings.artifacts_dir)
    url = registration_url(folder, base_url or settings.base_url, now)
    drawn = draw_qr(url, qr) if qr and not out.as_json else ""
    out.result({"thing_name": folder.name, "url": url, "expires_at": now + LIFETIME}, f"{drawn}{url}")


def _folder(name: str, folders: Path) -> Path:
    """The artifact folder of that name, or of that path."""
    if Path(name, DEVICE_FILE).is_file():
        return Path(name).resolve()
    if not is_thing_name(name):
        raise InvalidInput(f"{name!r} is neither a thing's name nor an artifact folder.")
    if not (folders / name / DEVICE_FILE).is_file():
        raise NotFound(f"{folders} has no artifact folder of {name}: the battery itself, or the factory, has its key.")
    return folders / name
