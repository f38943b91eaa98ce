"""Whose commands the device follows: those signed with the key in its artifact folder, or with that key's successor."""

import logging
from pathlib import Path

from fleet.commands.message import CommandMessage, Rejected, parse
from fleet.commands.signing import Forged, PublicKey, verify
from fleet.devices import write_owner_only

logger = logging.getLogger(__name__)


class Authority:
    """Reads what comes on the commands topic of one device, and takes up a successor of the key that it knows.

    A folder that cannot be written keeps the older key: the next message leads to the newer one again.
    """

    def __init__(self, thing_name: str, file: Path, trusted: PublicKey) -> None:
        self.refused = 0
        self._thing_name = thing_name
        self._file = file
        self._trusted = trusted

    def read(self, body: bytes) -> CommandMessage | Rejected:
        """The message, if it is the cloud's and for this device. Never raises, whatever came."""
        verified = verify(body, self._trusted)
        if isinstance(verified, Forged):
            self.refused += 1
            return Rejected(verified.reason)
        message = parse(verified.payload)
        if isinstance(message, CommandMessage) and message.thing_name != self._thing_name:
            self.refused += 1
            return Rejected("A message on the commands topic was signed for another device: it was not followed.")
        if verified.key != self._trusted:
            self._take_up(verified.key)
        return message

    def _take_up(self, key: PublicKey) -> None:
        self._trusted = key
        try:
            write_owner_only(self._file, key.pem)
        except OSError as error:
            logger.warning("%s cannot be written (%s): it keeps the key before.", self._file, error.strerror)
            return
        logger.info("%s follows the command key %s... from now on.", self._thing_name, key.key_id[:8])
