"""`fleet app-credential`: make, list and revoke what lets the web app bind batteries."""

import secrets

from pydantic import SecretStr

from cli.consent import agree
from cli.output import Output
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.app_credentials import add_app_credential, list_app_credentials, revoke_app_credential
from fleet.settings import get_settings


def make(name: str, out: Output) -> None:
    """Print a new credential, once and alone on stdout; the database keeps its hash."""
    credential = new_credential()
    with connect(get_settings()) as connection:
        add_app_credential(connection, name, credential)
    secret = credential.get_secret_value()
    out.result({"FLEET_APP_CREDENTIAL": secret}, secret)
    out.remark("Set FLEET_APP_CREDENTIAL to this for the web app alone: it is not shown again.")


def new_credential() -> SecretStr:
    """256 random bits as text."""
    return SecretStr(secrets.token_urlsafe(32))


def show(out: Output) -> None:
    """List the credentials, without what they are."""
    with connect(get_settings()) as connection:
        out.rows(list_app_credentials(connection), empty="No app credential was made yet.")


def revoke(credential_id: str, yes: bool, out: Output) -> None:
    """End one."""
    agree(f"End {credential_id}? The web app that holds it can bind no battery any more.", yes)
    with connect(get_settings()) as connection:
        revoke_app_credential(connection, credential_id)
    out.result({"revoked": credential_id}, "Revoked.")
