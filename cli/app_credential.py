"""`fleet app-credential`: make, list and revoke what lets the web app bind batteries."""

import secrets
import sys

from pydantic import SecretStr

from cli.tables import print_table
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.app_credentials import add_app_credential, list_app_credentials, revoke_app_credential
from fleet.settings import get_settings


def make(name: str) -> None:
    """Print a new credential, once and alone on stdout; the database keeps its hash."""
    credential = new_credential()
    with connect(get_settings()) as connection:
        add_app_credential(connection, name, credential)
    print(credential.get_secret_value())
    print("Set FLEET_APP_CREDENTIAL to this for the web app alone: it is not shown again.", file=sys.stderr)


def new_credential() -> SecretStr:
    """256 random bits as text."""
    return SecretStr(secrets.token_urlsafe(32))


def show() -> None:
    """List the credentials, without what they are."""
    with connect(get_settings()) as connection:
        print_table(list_app_credentials(connection), empty="No app credential was made yet.")


def revoke(credential_id: str) -> None:
    """End one."""
    with connect(get_settings()) as connection:
        revoke_app_credential(connection, credential_id)
    print("Revoked.")
