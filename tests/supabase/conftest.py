"""The REST API over the fleet's own migrations, and the people and batteries that meet there."""

import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from pydantic import SecretStr
from supabase import Client

from fleet.adapters.postgres import connect
from fleet.adapters.postgres.app_credentials import add_app_credential
from fleet.adapters.postgres.migrations import migrate
from fleet.adapters.postgres.rollups import roll_up
from fleet.adapters.postgres.session import settle
from fleet.adapters.postgres.taking_over import take_over
from tests.supabase_project import SupabaseProject, new_address

HOME = {"first_name": "Ann", "street_address": "1 Main St", "city": "Reno", "state_code": "NV", "zip_code": "88801"}


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in."""

    client: Client
    user_id: str
    email: str
    is_operator: bool = False

    def call(self, function: str, **arguments: object) -> Any:
        """What the function answers."""
        return self.client.rpc(function, arguments).execute().data

    def rows(self, view: str) -> list[dict[str, Any]]:
        return list(self.client.table(view).select("*").execute().data)


@dataclass(frozen=True)
class Fleet:
    """A project with our migrations, the web app's credential, and a way past row-level security for the test."""

    project: SupabaseProject
    app_credential: SecretStr

    def person(self, email: str = "", operator: bool = False) -> Person:
        """Somebody new, or who has that address, signed in."""
        email = email or new_address()
        client = self.project.signed_in(email)
        user = client.auth.get_user()
        assert user
        if operator:
            changes = {"app_metadata": {"role": "operator"}}
            self.project.service_client().auth.admin.update_user_by_id(user.user.id, changes)  # type: ignore[arg-type]
            client = self.project.signed_in(email)  # it is in the token from the next one on
        return Person(client, user.user.id, email, operator)

    def sql(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """As the database's owner."""
        with psycopg.connect(self.project.settings.require_database_url(), row_factory=dict_row) as connection:
            settle(connection)
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def device(self, step: str = "done") -> str:
        """A new battery in the ledger; its certificate is `certificate_of` its name."""
        name = f"battery-{uuid.uuid4().hex[:10]}"
        self.sql(
            "INSERT INTO fleet.devices (thing_name, model, key_on_device, step, certificate_requested_at,"
            " certificate_id, provisioned_at, public_key_sha256)"
            " VALUES (%s, 'home-10', false, %s, now(), %s, now(), %s)",
            name, step, certificate_of(name), "e" * 64,
        )  # fmt: skip
        return name

    def binding(self, device: str, site_id: str, **changes: object) -> dict[str, object]:
        """The arguments of `bind_device` as the web app gives them for a link that it has just verified."""
        now = datetime.now(UTC)
        return {
            "p_app_credential": self.app_credential.get_secret_value(),
            "p_thing_name": device,
            "p_certificate_id": certificate_of(device),
            "p_link_id": secrets.token_urlsafe(16),
            "p_issued_at": now.isoformat(),
            "p_expires_at": (now + timedelta(minutes=15)).isoformat(),
            "p_site_id": site_id,
            **changes,
        }

    def battery_of(self, owner: Person, site_id: str = "") -> str:
        """A new battery that is theirs, at that home or a new one."""
        device = self.device()
        owner.call("bind_device", **self.binding(device, site_id or home_of(owner)))
        return device

    def samples(
        self, device: str, start: datetime, count: int, every: timedelta = timedelta(seconds=5), **readings: str
    ) -> None:
        """Samples of a battery whose state of charge climbs by 1 % a sample, round and round.

        `readings` say in SQL what sample n (from 1) has instead, and when it was received.
        """
        usual = {"grid_online": "n %% 7 <> 0", "home_power_w": "300", "solar_power_w": "200", "received_at": "now()"}
        usual |= readings
        self.sql(
            "INSERT INTO fleet.telemetry_rows SELECT %s, %s + (n - 1) * %s::interval, n,"  # noqa: S608
            f" {usual['received_at']}, now(), 'CHARGE',"
            f" {usual['grid_online']}, 100, 0, n, 0, 5000, 10000, n %% 100, 20, {usual['home_power_w']}, n,"
            f" {usual['solar_power_w']}, n FROM generate_series(1, %s) AS n",
            device, start, every, count,
        )  # fmt: skip
        with connect(self.project.settings) as connection:
            roll_up(connection)
            take_over(connection)

    def enrollment(self, device: str, site_id: str, status: str = "ACTIVE") -> str:
        """An enrollment as the flow writes it down."""
        enrollment_id = f"enr_{uuid.uuid4().hex[:12]}"
        self.sql(
            "INSERT INTO fleet.enrollments (enrollment_id, site_id, program_id, program_name, thing_names, status)"
            " VALUES (%s, %s, 'peak', 'Peak Saver', %s, %s)",
            enrollment_id, site_id, [device], status,
        )  # fmt: skip
        return enrollment_id


def certificate_of(device: str) -> str:
    """The id of the certificate of a device of `Fleet.device`."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, device).hex * 2


def home_of(owner: Person) -> str:
    """A new home of theirs."""
    return str(owner.call("save_site", p_site_id=None, p_site=HOME))


@pytest.fixture(scope="session")
def fleet(supabase_server: SupabaseProject) -> Fleet:
    """The stand-in with our migrations; as its tables hold other tests' rows, each test makes people of its own."""
    migrate(supabase_server.settings)
    credential = SecretStr(secrets.token_urlsafe(32))
    with connect(supabase_server.settings) as connection:
        add_app_credential(connection, "tests", credential)
    return Fleet(supabase_server, credential)


@pytest.fixture
def ann(fleet: Fleet) -> Person:
    return fleet.person()


@pytest.fixture
def ben(fleet: Fleet) -> Person:
    return fleet.person()


@pytest.fixture(scope="session")
def operator(fleet: Fleet) -> Iterator[Person]:
    yield fleet.person(operator=True)
