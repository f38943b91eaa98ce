"""A Supabase project as the tests see it: the stand-in, or a real one named by SUPABASE_TEST_*."""

import os
import re
import time
import uuid
from dataclasses import dataclass

import httpx
import psycopg
from pydantic import SecretStr
from supabase import Client, ClientOptions, create_client

from fleet.adapters.supabase import sessions as adapter
from fleet.settings import Settings
from local_cloud.aws.inspection import sent_mails
from local_cloud.supabase.keys import Keys

_HTTP = httpx.Client(timeout=20)


@dataclass(frozen=True, repr=False)
class SupabaseProject:
    """Where it is and what its owner knows. `keys` is None for a real project: nobody gets its signing key."""

    settings: Settings
    service_role_key: SecretStr
    keys: Keys | None = None

    def client(self) -> Client:
        """A visitor."""
        return adapter.anon_client(self.settings)

    def service_client(self) -> Client:
        """The owner, past row-level security."""
        options = ClientOptions(flow_type="implicit", auto_refresh_token=False)
        return create_client(self.settings.supabase_url, self.service_role_key.get_secret_value(), options)

    def code(self, email: str) -> str:
        """A code for the address, without a mail."""
        link = self.service_client().auth.admin.generate_link({"type": "magiclink", "email": email})
        return link.properties.email_otp

    def signed_in(self, email: str = "") -> Client:
        """A client that has signed in, as a new user if no address is given."""
        client, email = self.client(), email or new_address()
        adapter.sign_in_with_code(client, email, self.code(email))
        return client

    def request(self, method: str, path: str, **options: object) -> httpx.Response:
        """A request by hand, with the public key unless the headers say otherwise."""
        key = self.settings.supabase_anon_key.get_secret_value()
        headers = {"apikey": key, **options.pop("headers", {})}  # type: ignore[dict-item]
        return _HTTP.request(method, self.settings.supabase_url + path, headers=headers, **options)  # type: ignore[arg-type]

    def run_sql(self, script: str) -> None:
        """Run SQL as the database's owner, then let REST see new tables and functions."""
        with psycopg.connect(self.settings.require_database_url(), autocommit=True) as connection:
            connection.execute(script)
            connection.execute("NOTIFY pgrst, 'reload schema'")
        if self.keys is None:
            time.sleep(2)  # PostgREST tells nobody when it has reloaded

    def mails(self, email: str) -> list[dict[str, str]]:
        """What SES of the embedded cloud sent to the address, oldest first."""
        return [mail for mail in sent_mails(self.settings) if mail["To"] == [email]]

    def mailed_code(self, email: str) -> str:
        """The code in the last mail to the address."""
        found = re.search(r"\b\d{6}\b", self.mails(email)[-1]["BodyText"])
        assert found
        return found[0]


def new_address() -> str:
    """An address that no other test uses."""
    return f"home-{uuid.uuid4().hex[:12]}@example.org"


def real_project() -> SupabaseProject | None:
    """The project of SUPABASE_TEST_URL, with SUPABASE_TEST_ANON_KEY, ..._SERVICE_ROLE_KEY and ..._DATABASE_URL."""
    if not os.environ.get("SUPABASE_TEST_URL"):
        return None
    settings = Settings(
        supabase_url=os.environ["SUPABASE_TEST_URL"],
        supabase_anon_key=SecretStr(os.environ["SUPABASE_TEST_ANON_KEY"]),
        database_url=SecretStr(os.environ["SUPABASE_TEST_DATABASE_URL"]),
    )
    return SupabaseProject(settings, SecretStr(os.environ["SUPABASE_TEST_SERVICE_ROLE_KEY"]))
