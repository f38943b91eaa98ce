"""Everything around the web app for its tests: the stand-ins, batteries from the factory, links, mails, telemetry."""

import hashlib
import math
import secrets
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from pydantic import SecretStr

from fleet.adapters import aws, postgres
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.adapters.postgres.flip_requests import inbox
from fleet.adapters.postgres.migrations import migrate
from fleet.adapters.postgres.rollups import roll_up
from fleet.adapters.postgres.telemetry import Received, store
from fleet.devices import KEY_FILE, ThingName, read_artifacts
from fleet.errors import Unavailable
from fleet.provisioning.orders import Order
from fleet.provisioning.steps import provision
from fleet.registration.link import issue_link
from fleet.services import flip_requests
from fleet.services.factory import factory_of
from fleet.settings import Settings
from fleet.telemetry.message import parse
from local_cloud import servers
from local_cloud.supabase.keys import read_keys
from tests.messages import body, sample
from tests.supabase_project import SupabaseProject

MODEL = "home-13"
_MESSAGE_SAMPLES = 500
_COUNTED = {
    "home_energy_wh": "home_power_w",
    "solar_energy_wh": "solar_power_w",
    "battery_charged_energy_wh": "battery_charge_power_w",
    "battery_discharged_energy_wh": "battery_discharge_power_w",
}
"""The counters of a sample, each with the power that it counts."""


@dataclass(frozen=True)
class HomeownerWorld:
    """Where all of it is. `settings` are the owner's, with every right; the web app gets less."""

    settings: Settings
    project: SupabaseProject
    app_credential: str

    def provision(self, name: str = "") -> Path:
        """A new battery's artifact folder, made as the factory makes it."""
        thing_name = ThingName(name or f"home-{uuid.uuid4().hex[:8]}")
        order = Order(thing_name, MODEL)
        with postgres.connect(self.settings) as connection:
            ledger = DeviceLedger(connection)
            ledger.plan([order])
            provision(order, ledger, IotCore(self.settings), factory_of(self.settings))
        return self.settings.artifacts_dir / thing_name.value

    def link(self, folder: Path, made_at: datetime | None = None, key: Path | None = None, base_url: str = "") -> str:
        """The registration link that the battery shows; `key` is another one's for a forged link."""
        config = read_artifacts(folder).config
        private_key = (key or folder / KEY_FILE).read_bytes()
        address, moment = base_url or self.settings.base_url, made_at or datetime.now(UTC)
        name = ThingName(config.thing_name)
        return issue_link(private_key, name, config.certificate_id, address, moment, secrets.token_urlsafe(24))

    def deactivate(self, folder: Path) -> None:
        """Take the battery's certificate out of force."""
        config = read_artifacts(folder).config
        iot = aws.client(self.settings, "iot")
        iot.update_certificate(certificateId=config.certificate_id, newStatus="INACTIVE")

    def report(self, name: str, span: timedelta, every: timedelta, until: datetime | None = None) -> int:
        """Store a sunny day's course over `span` up to now; the number of samples."""
        end = until or datetime.now(UTC)
        count = int(span / every)
        samples = [_course(end - (count - index) * every) for index in range(1, count + 1)]
        counted = dict.fromkeys(_COUNTED, 1_000.0)
        for index, one in enumerate(samples, start=1):
            one["sequence"] = int(end.timestamp() * 10) + index
            for counter, power in _COUNTED.items():
                counted[counter] += float(str(one[power])) * (every / timedelta(hours=1))
                one[counter] = round(counted[counter], 1)
        received_at_ms = int((end + timedelta(seconds=1)).timestamp() * 1000)
        with postgres.connect(self.settings) as connection:
            for start in range(0, count, _MESSAGE_SAMPLES):
                message = body(name, samples[start : start + _MESSAGE_SAMPLES], received_at_ms=received_at_ms)
                received = Received(uuid.uuid4().hex, message, end)
                store(connection, [(received, parse(message))])
            roll_up(connection)
        return count

    def work_off(self) -> int:
        """Do what was asked of Flip and is due, as the flow process_flip_requests does; how many requests."""
        with inbox(self.settings) as requests, postgres.connect(self.settings) as connection:
            due = requests.due()
            with FlipClient.from_settings(self.settings) as flip:
                for one in due:
                    with suppress(Unavailable):  # Flip is down: the request waits
                        flip_requests.work_off(connection, flip, one.request_id)
        return len(due)

    def work_off_soon(self, seconds: float = 15) -> None:
        """Wait until something is due, and do it: a page may say that it asked before its request is there."""
        deadline = time.monotonic() + seconds
        while not self.work_off():
            assert time.monotonic() < deadline, "nothing was asked of Flip"
            time.sleep(0.2)

    def run_sql(self, statement: str, *parameters: object) -> list[dict[str, object]]:
        """Run a statement as the database's owner; its rows, if it has any."""
        with psycopg.connect(self.settings.require_database_url(), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), parameters)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []

    def make_operator(self, email: str) -> None:
        """Give the account the operator's role, as docs/supabase.md says."""
        self.run_sql(
            'UPDATE auth.users SET raw_app_meta_data = raw_app_meta_data || \'{"role": "operator"}\' '
            "WHERE email = %s RETURNING id",
            email,
        )


@contextmanager
def homeowner_world(
    resources: Settings, flip: Settings, database_url: str, home: Path, base_url: str, port: int
) -> Iterator[HomeownerWorld]:
    """The Supabase stand-in before a database of its own with every migration, and the app's credential in it."""
    settings = resources.model_copy(
        update={
            "database_url": SecretStr(database_url),
            "artifacts_dir": home / "devices",
            "base_url": base_url,
            "flip_base_url": flip.flip_base_url,
            "flip_token": flip.flip_token,
        }
    )
    with servers.supabase(home / "supabase", home / "logs", port, settings, base_url):
        migrate(settings)
        keys = read_keys(home / "supabase")
        reached = {"supabase_url": f"http://127.0.0.1:{port}", "supabase_anon_key": SecretStr(keys.anon_key)}
        settings = settings.model_copy(update=reached)
        credential = secrets.token_urlsafe(32)
        world = HomeownerWorld(settings, SupabaseProject(settings, SecretStr(keys.service_role_key), keys), credential)
        digest = hashlib.sha256(credential.encode()).digest()
        world.run_sql("INSERT INTO fleet.app_credentials (name, secret_sha256) VALUES ('tests', %s)", digest)
        yield world


def _course(moment: datetime) -> dict[str, object]:
    """A plausible reading: sun by day, the home in the evening, the battery between them."""
    hour = (moment.hour + moment.minute / 60 - 8) % 24  # a home eight hours west of Greenwich
    sun = max(0.0, math.sin((hour - 6) / 12 * math.pi)) * 5200
    home = 420 + 260 * math.sin(hour / 3) ** 2 + (1500 if 17 <= hour <= 21 else 0)
    charge, discharge = max(0.0, min(4800, sun - home)), max(0.0, min(3000, home - sun))
    share = 55 + 38 * math.sin((hour - 11) / 12 * math.pi)
    return sample(
        measured_at=moment,
        battery_charge_power_w=round(charge, 1),
        battery_discharge_power_w=round(discharge, 1),
        home_power_w=round(home, 1),
        solar_power_w=round(sun, 1),
        state_of_charge_pct=round(share, 2),
        battery_stored_energy_wh=round(135 * share, 1),
    )
