"""What lets the web app bind a battery: random text that the app holds, and whose hash alone the database has."""

import hashlib
import uuid
from typing import Any

from pydantic import SecretStr

from fleet.adapters.postgres import Connection, run
from fleet.errors import InvalidInput, NotFound

MIN_CHARACTERS = 32
"""As much randomness as makes a plain hash safe: `secrets.token_urlsafe(32)` has 43 characters."""


def add_app_credential(connection: Connection, name: str, credential: SecretStr) -> None:
    """Let whoever holds `credential`, which must be random, bind batteries until it is revoked.

    Commits; may be repeated. Raises `InvalidInput` for one that is too short to be random.
    """
    secret = credential.get_secret_value()
    if len(secret) < MIN_CHARACTERS:
        raise InvalidInput("An app credential has to be random and long: use what `fleet app-credential` prints.")
    digest = hashlib.sha256(secret.encode()).digest()
    run(connection, "app_credentials.add", name=name, secret_sha256=digest)
    connection.commit()


def list_app_credentials(connection: Connection) -> list[dict[str, Any]]:
    """`credential_id, name, created_at, revoked_at` (UTC) of each, newest first."""
    return run(connection, "app_credentials.list").fetchall()


def revoke_app_credential(connection: Connection, credential_id: str) -> None:
    """End one; the app that holds it can bind nothing any more. Commits. Raises `NotFound` for an unknown id."""
    try:
        identity = uuid.UUID(credential_id)
    except ValueError as error:
        raise InvalidInput(
            f"{credential_id!r} is no credential's id: `fleet app-credential --list` has them."
        ) from error
    revoked = run(connection, "app_credentials.revoke", credential_id=identity).rowcount
    connection.commit()
    if not revoked:
        raise NotFound(f"There is no app credential {identity}: `fleet app-credential --list` has them.")
