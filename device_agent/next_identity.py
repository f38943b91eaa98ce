"""The identity that a device is about to have: key, request and certificate, in a folder of their own inside its own.

The key is made here and leaves the device in no way. Nothing of it is used until the device has connected with it.
"""

import shutil

import msgspec

from fleet import devices
from fleet.devices import Artifacts, read_artifacts
from fleet.errors import InvalidInput
from fleet.rotation.message import RotationOrder
from fleet.telemetry.message import CertificateRequest

FOLDER = "next"
_ROTATION, _REQUEST = "rotation", "request.csr"


class NextIdentity:
    """What is in `next/` of the artifacts' folder; it is on the medium before it is told of. Raises `OSError`."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._own = artifacts
        self._folder = artifacts.folder / FOLDER

    def request(self, rotation_id: str) -> CertificateRequest:
        """The request of this rotation, for a key that is made once and kept. Another rotation's is thrown away."""
        if self._rotation() != rotation_id:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(mode=0o700)
            key_file = self._folder / devices.KEY_FILE
            devices.write_private_key(key_file)
            request = devices.certificate_request(key_file, devices.ThingName(self._own.config.thing_name))
            devices.write_owner_only(self._folder / _REQUEST, request.encode())
            devices.write_owner_only(self._folder / _ROTATION, rotation_id.encode())
        return CertificateRequest(rotation_id, (self._folder / _REQUEST).read_text())

    def give(self, order: RotationOrder) -> Artifacts:
        """Keep the certificate beside its key: a whole artifact folder. Raises `InvalidInput` for another key's."""
        request = self.request(order.rotation_id)
        try:
            is_ours = devices.certificate_public_key_sha256(order.certificate_pem) == devices.request_public_key_sha256(
                request.request_pem
            )
        except ValueError as error:
            raise InvalidInput("what was given is no certificate") from error
        if not is_ours:
            raise InvalidInput("the certificate that was given is not for the key that is here")
        config = msgspec.structs.replace(
            self._own.config, certificate_id=order.certificate_id, rotation_id=order.rotation_id
        )
        devices.write_owner_only(self._folder / devices.CERTIFICATE_FILE, order.certificate_pem.encode())
        # Whole, so that it can be read as any other; whose commands are followed stays the own folder's to say.
        devices.write_owner_only(self._folder / devices.CA_FILE, self._own.ca_file.read_bytes())
        devices.write_owner_only(self._folder / devices.COMMAND_KEY_FILE, self._own.command_key_file.read_bytes())
        described = msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n"
        devices.write_owner_only(self._folder / devices.DEVICE_FILE, described)
        return read_artifacts(self._folder)

    def take_over(self) -> Artifacts:
        """It is the device's own from here on, and the former one is gone."""
        devices.exchange(self._own.folder, self._folder)
        self._own = read_artifacts(self._own.folder)
        return self._own

    def _rotation(self) -> str:
        try:
            return (self._folder / _ROTATION).read_text()
        except (OSError, ValueError):
            return ""
