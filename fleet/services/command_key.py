"""The key that commands are signed with, as settings: the whole where commands are sent, its public half elsewhere."""

from fleet.commands.signing import PublicKey, Signer
from fleet.errors import InvalidInput, NotConfigured
from fleet.settings import Settings


def command_key(settings: Settings) -> PublicKey:
    """The public half, for artifact folders. Raises `NotConfigured` with the variable to set."""
    text = settings.command_public_key
    if not text:
        raise NotConfigured(
            "FLEET_COMMAND_PUBLIC_KEY is not set: batteries follow only commands that are signed. Make a key with "
            "`fleet command-key`, and set what that prints."
        )
    try:
        return PublicKey(text)
    except InvalidInput as error:
        raise NotConfigured(f"FLEET_COMMAND_PUBLIC_KEY cannot be used: {error}") from error


def signer(settings: Settings) -> Signer:
    """What signs messages to batteries. Raises `NotConfigured` with the variable to set."""
    private_key = settings.command_key.get_secret_value()
    if not private_key:
        raise NotConfigured(
            "FLEET_COMMAND_KEY is not set: batteries follow only commands that are signed. Make a key with "
            "`fleet command-key`, and set what that prints."
        )
    try:
        made = Signer(private_key, settings.command_key_succession)
    except InvalidInput as error:
        raise NotConfigured(f"FLEET_COMMAND_KEY or FLEET_COMMAND_KEY_SUCCESSION cannot be used: {error}") from error
    if settings.command_public_key and made.public_key != command_key(settings):
        raise NotConfigured(
            "FLEET_COMMAND_PUBLIC_KEY is not the public half of FLEET_COMMAND_KEY: set both as they were printed, or "
            "new batteries would follow no command."
        )
    return made
