"""`fleet command-key`: make the key that commands are signed with, or the one that follows it."""

from cli.output import Output
from fleet.commands.signing import Signer, new_private_key
from fleet.services.command_key import signer
from fleet.settings import get_settings


def make(out: Output) -> None:
    """Print a first key, as lines for .env."""
    _show(new_private_key(), "", out)
    out.remark("FLEET_COMMAND_KEY is for what sends commands alone: it is not shown again.")


def make_next(out: Output) -> None:
    """Print the key that follows the one in the settings, as lines for .env. Raises `NotConfigured` without one."""
    present, key = signer(get_settings()), new_private_key()
    _show(key, present.name_successor(Signer(key).public_key), out)
    out.remark(
        "Set all three in place of those before, then keep none of the older key. Each battery goes over to the new "
        "one with the next message that it gets."
    )


def _show(key: str, succession: str, out: Output) -> None:
    made = Signer(key, succession)
    values = {"FLEET_COMMAND_KEY": key, "FLEET_COMMAND_PUBLIC_KEY": made.public_key.text}
    out.settings(values | ({"FLEET_COMMAND_KEY_SUCCESSION": succession} if succession else {}))
