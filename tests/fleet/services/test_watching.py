"""What is wrong is found in a real database and real queues, and told once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet.adapters import aws
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import Connection, connect
from fleet.adapters.postgres.taking_over import take_over
from fleet.errors import Unavailable
from fleet.services.watching import LOOKS, World, look, world_of
from fleet.settings import Settings
from fleet.watching.judging import Judgement
from fleet.watching.kinds import KINDS
from fleet.watching.notices import Notice
from tests.stored_samples import LATEST

pytestmark = pytest.mark.integration
MINUTE = timedelta(minutes=1)


class Place:
    """A database of its own, the emulator's queues, and what was told."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self.settings, self.connection = settings, connection
        self.told: list[Notice] = []

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def sql(self, statement: str, *values: object) -> None:
        self.connection.execute(statement.encode(), values)

    def battery(self, name: str, heard_ago: timedelta | None = None, step: str = "done") -> None:
        self.sql(
            "INSERT INTO fleet.devices (thing_name, model, key_on_device, step, certificate_id,"
            " certificate_requested_at, provisioned_at)"
            " VALUES (%s, 'test', false, %s, %s, now(), now() - interval '9 days')",
            name, step, f"c-{name}",
        )  # fmt: skip
        if heard_ago is not None:
            self.samples(name, self.now - heard_ago, 0.0)
            self.sql(
                f"{LATEST} WHERE thing_name = %s ORDER BY measured_at DESC LIMIT 1",
                name,
            )

    def samples(self, name: str, start: datetime, *discharged_wh: float) -> None:
        for n, counter in enumerate(discharged_wh):
            at = start + n * MINUTE
            self.sql(
                "INSERT INTO fleet.telemetry_rows VALUES (%s, %s, %s, %s, now(), 'DISCHARGE', true, 0, 1000, 0, %s,"
                " 5000, 10000, 50, 20, 300, 0, 0, 0)",
                name, at, int(at.timestamp()), at, counter,
            )  # fmt: skip
            self.sql("INSERT INTO fleet.telemetry_dirty VALUES (%s, date_trunc('minute', %s::timestamptz))", name, at)

    def look(self, kind: str) -> Judgement:
        return look(self.world(), kind, lambda _, words: self.told.append(words))

    def found(self, kind: str) -> dict[str, str]:
        return {one.subject: one.detail for one in LOOKS[kind](self.world())}

    def world(self) -> World:
        return world_of(self.connection, self.settings)

    def send(self, queue: str) -> None:
        with Queue(self.settings, queue) as there:
            aws.client(self.settings, "sqs").send_message(QueueUrl=there.url, MessageBody="{}")


@pytest.fixture
def place(fleet_settings: Settings) -> Iterator[Place]:
    names = fleet_settings.names
    sqs = aws.client(fleet_settings, "sqs")
    for name in (
        names.telemetry_queue, names.telemetry_dead_letter_queue, names.rule_error_queue, names.webhook_queue,
        names.webhook_dead_letter_queue,
    ):  # fmt: skip
        with Queue(fleet_settings, name) as queue:
            sqs.purge_queue(QueueUrl=queue.url)
    with connect(fleet_settings) as connection:
        yield Place(fleet_settings, connection)


def test_every_kind_is_looked_for(place: Place) -> None:
    assert LOOKS.keys() == KINDS.keys()
    assert not any(place.found(kind) for kind in KINDS)


def test_a_battery_that_was_heard_once_and_is_not_any_more_is_silent(place: Place) -> None:
    place.battery("heard", MINUTE)
    place.battery("silent", 31 * MINUTE)
    place.battery("longer-silent", 90 * MINUTE)
    place.battery("in-its-box")
    place.battery("gone", 90 * MINUTE, step="retired")
    assert list(place.found("device-silent")) == ["longer-silent", "silent"]


def test_it_is_told_once_and_once_more_when_it_is_over(place: Place) -> None:
    place.battery("battery-1", 60 * MINUTE)
    for _ in range(3):
        place.look("device-silent")
    assert [words.headline for words in place.told] == ["A battery is silent"]
    place.sql("UPDATE fleet.telemetry_latest SET received_at = now()")
    place.sql("UPDATE fleet.alarms SET seen_at = now() - interval '16 minutes'")
    place.sql("UPDATE fleet.alarm_notices SET told_at = now() - interval '16 minutes'")
    for _ in range(3):
        place.look("device-silent")
    assert [words.headline for words in place.told][1:] == ["Over: a battery is silent"]


def test_what_could_not_be_told_is_told_by_the_next_look(place: Place) -> None:
    place.battery("battery-1", 60 * MINUTE)

    def not_today(*_: object) -> None:
        raise Unavailable("Prefect does not answer.")

    with pytest.raises(Unavailable):
        look(place.world(), "device-silent", not_today)
    place.look("device-silent")
    assert len(place.told) == 1


def test_a_queue_whose_newest_stored_message_is_old_is_stale_and_an_empty_one_is_not(place: Place) -> None:
    place.battery("battery-1", 20 * MINUTE)
    assert not place.found("queue-stale")
    place.send(place.settings.names.telemetry_queue)
    assert place.found("queue-stale") == {place.settings.names.telemetry_queue: "about 1 messages wait, 20 minutes old"}
    place.sql("UPDATE fleet.telemetry_latest SET received_at = now()")
    assert not place.found("queue-stale")
    place.send(place.settings.names.webhook_queue)
    assert place.settings.names.webhook_queue in place.found("queue-stale")
    assert not place.look("queue-stale").is_news, "a webhook may wait for its flow"


def test_each_dead_letter_queue_is_looked_at(place: Place) -> None:
    names = place.settings.names
    for queue in (names.telemetry_dead_letter_queue, names.rule_error_queue, names.webhook_dead_letter_queue):
        place.send(queue)
        assert place.found("dead-letters").pop(queue) == "about 1 messages"


def test_a_quarantine_that_fills_is_told_by_reason_and_an_odd_message_is_not(place: Place) -> None:
    def quarantine(count: int, reason: str, ago: str = "1 minute") -> None:
        place.sql(
            "INSERT INTO fleet.quarantine (message_id, reason, detail, body, thing_name, quarantined_at)"
            " SELECT gen_random_uuid(), %s, '', '', 'b-' || n, now() - %s::interval FROM generate_series(1, %s) AS n",
            reason, ago, count,
        )  # fmt: skip

    quarantine(9, "unknown_device")
    quarantine(500, "unknown_device", ago="2 hours")
    assert not place.found("quarantine-filling")
    quarantine(1, "not_json")
    assert place.found("quarantine-filling") == {
        "unknown_device": "9 messages of 9 batteries within an hour",
        "not_json": "1 messages of 1 batteries within an hour",
    }


def test_a_command_is_told_of_before_its_twelve_minutes_are_over(place: Place) -> None:
    place.battery("battery-1")

    def command(name: str, minutes_ago: int, **changes: object) -> None:
        values: dict[str, Any] = {
            "state": "delivered", "flip_status": "OK", "acknowledged_at": None, "ends": "1 hour", **changes,
        }  # fmt: skip
        place.sql(
            "INSERT INTO fleet.commands (command_id, thing_name, flip_status, flip_updated_at, starts_at, ends_at,"
            " mode, state, received_at, revised_at, acknowledged_at) VALUES (%s, 'battery-1', %s, now(), now(),"
            " now() + %s::interval, 'DISCHARGE', %s, now(), now() - %s * interval '1 minute', %s)",
            name, values["flip_status"], values["ends"], values["state"], minutes_ago, values["acknowledged_at"],
        )  # fmt: skip

    command("near", 9)
    command("fresh", 5)
    command("answered", 9, state="acknowledged", acknowledged_at=place.now)
    command("taken-back", 9, flip_status="CANCELED")
    command("over", 9, ends="-1 minute")
    assert list(place.found("command-unanswered")) == ["near"]
    assert "battery-1 has not answered" in place.found("command-unanswered")["near"]


def test_what_obeys_others_is_told(place: Place) -> None:
    place.battery("battery-1")
    place.sql("INSERT INTO fleet.unexplained_acknowledgements VALUES ('battery-1', 7, 2, 1, now(), now())")
    assert place.found("command-unexplained") == {"battery-1": "acknowledges 7, was told 2"}


def test_counters_that_move_as_no_energy_does_are_told(place: Place) -> None:
    start = place.now.replace(second=0, microsecond=0) - 10 * MINUTE
    histories = {
        "as-it-should": (100.0, 116.7, 133.3, 150.0),
        "last-digit": (100.0, 99.9, 100.0),
        "replaced-meter": (5_000.0, 5_016.0, 3_100.0, 3_116.0),
        "leap": (100.0, 116.0, 9_000.0),
    }
    for name, counters in histories.items():
        place.battery(name)
        place.samples(name, start, *counters)
    take_over(place.connection)
    assert sorted(place.found("energy-doubtful")) == ["leap", "replaced-meter"]
    assert place.found("energy-doubtful")["leap"].startswith("1 times")


def test_a_certificate_that_ends_within_thirty_days_is_told(place: Place) -> None:
    for name, days in {"soon": 29, "later": 31}.items():
        place.battery(name)
        place.sql(
            "INSERT INTO fleet.certificates (certificate_id, thing_name, expires_at) VALUES (%s, %s, %s)"
            " ON CONFLICT (certificate_id) DO UPDATE SET expires_at = excluded.expires_at",
            f"c-{name}", name, place.now + timedelta(days=days),
        )  # fmt: skip
    assert list(place.found("certificate-expiring")) == ["soon"]
