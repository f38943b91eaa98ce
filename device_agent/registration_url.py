"""`device-agent registration-url FOLDER`: the link that makes the battery its owner's. Needs no network."""

import io
import os
import secrets
from datetime import datetime
from pathlib import Path

import segno
from cryptography.exceptions import UnsupportedAlgorithm

from fleet.devices import ThingName, read_artifacts
from fleet.errors import InvalidInput, NotConfigured
from fleet.registration.link import DEFAULT_BASE_URL, audience_of, issue_link

TERMINAL = "terminal"
BASE_URL_VARIABLE = "FLEET_BASE_URL"
_KINDS = (".png", ".svg")


def registration_url(folder: Path, base_url: str, now: datetime) -> str:
    """A link signed with the folder's key, good for 15 minutes from `now` (UTC).

    `base_url` empty: FLEET_BASE_URL, or else the web app on this machine. Raises `NotConfigured` for a folder that
    cannot sign and `InvalidInput` for an address that is none.
    """
    address = audience_of(base_url or os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL)
    try:
        artifacts = read_artifacts(folder)
        key, config = artifacts.key_file.read_bytes(), artifacts.config
    except (OSError, UnsupportedAlgorithm, ValueError, RecursionError) as error:
        raise NotConfigured(f"{folder} cannot be read as an artifact folder: {_first_line(error)}.") from error
    name, link_id = ThingName(config.thing_name), secrets.token_urlsafe(16)
    try:
        return issue_link(key, name, config.certificate_id, address, now, link_id)
    except InvalidInput as error:
        raise NotConfigured(f"{folder} cannot sign a link: {error}") from error


def draw_qr(url: str, target: str) -> str:
    """The QR code of `url`: as text for `terminal`, else written to the file `target` (PNG or SVG) and empty.

    Raises `InvalidInput` for another kind of file or one that cannot be written.
    """
    code = segno.make_qr(url, error="l")  # a long link on a screen at arm's length: large modules beat redundancy
    if target == TERMINAL:
        drawn = io.StringIO()
        code.terminal(drawn, compact=True, border=2)
        return drawn.getvalue()
    if Path(target).suffix.lower() not in _KINDS:
        raise InvalidInput(f"--qr {target} is not a picture format: name a .png or .svg file, or `terminal`.")
    try:
        code.save(target, scale=6)
    except OSError as error:
        raise InvalidInput(f"--qr {target} cannot be written: {error.strerror or error}.") from error
    return ""


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
