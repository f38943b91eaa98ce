"""`fleet command-key`: make the key that commands are signed with, or the one that follows it."""

import sys

from fleet.commands.signing import Signer, new_private_key
from fleet.services.command_key import signer
from fleet.settings import get_settings


def make() -> None:
    """Print a first key, as lines for .env."""
    _show(new_private_key(), "")
    print("FLEET_COMMAND_KEY is for what sends commands alone: it is not shown again.", file=sys.stderr)


def make_next() -> None:
    """Print the key that follows the one in the settings, as lines for .env. Raises `NotConfigured` without one."""
    present, key = signer(get_settings()), new_private_key()
    _show(key, present.name_successor(Signer(key).public_key))
    print(
        "Set all three in place of those before, then keep none of the older key. Each battery goes over to the new "
        "one with the next message that it gets.",
        file=sys.stderr,
    )


def _show(key: str, succession: str) -> None:
    made = Signer(key, succession)
    print(f"FLEET_COMMAND_KEY={key}")
    print(f"FLEET_COMMAND_PUBLIC_KEY={made.public_key.text}")
    if succession:
        print(f"FLEET_COMMAND_KEY_SUCCESSION={succession}")
