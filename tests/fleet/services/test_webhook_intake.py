"""Webhooks taken in: each once, in any order, and none can harm another."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from psycopg import sql

from fleet import flip
from fleet.adapters.postgres import Connection, connect, one
from fleet.adapters.postgres.command_rows import read_commands
from fleet.adapters.postgres.commands import Commands
from fleet.adapters.postgres.flip_events import FlipEvents
from fleet.adapters.postgres.webhooks import REFUSED_BYTES, Webhooks
from fleet.errors import FleetError
from fleet.flip.signature import Posted, Refusal
from fleet.services.webhook_intake import IntakeFigures, Polled, take_in, take_polled
from fleet.settings import Settings
from tests.registered_homes import add_battery, add_site
from tests.webhook_examples import KEYS, NOON, command, event, signed, webhook

pytestmark = pytest.mark.integration
MINUTE = timedelta(minutes=1)


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    with connect(database) as connection:
        yield connection


@pytest.fixture
def site(connection: Connection) -> str:
    """A home with the battery `battery-1`."""
    site_id = add_site(connection)
    add_battery(connection, "battery-1", site_id)
    return site_id


def take(connection: Connection, *messages: Posted) -> dict[str, int]:
    """What became of these, but for what did not happen."""
    total = take_in(connection, messages, KEYS)
    counts = {
        name: getattr(total, name) for name in IntakeFigures.__dataclass_fields__ if name not in ("lag", "received")
    }
    assert total.received == len(messages) == sum(counts.values())
    return {name: count for name, count in counts.items() if count}


def rows(connection: Connection, table: str) -> list[dict[str, Any]]:
    query = sql.SQL("SELECT * FROM {} ORDER BY 1").format(sql.Identifier("fleet", table))
    found = connection.execute(query).fetchall()
    connection.commit()
    return found


def test_an_event_a_command_and_an_enrollment_arrive_in_one_batch(connection: Connection, site: str) -> None:
    enrollment = {"id": "enr_1", "program_id": "p", "site_id": site, "device_ids": ["battery-1"], "status": "ACTIVE"}
    batch = [
        webhook("event.created", event(site)),
        webhook("command.created", command()),
        webhook("enrollment.updated", enrollment),
    ]
    assert take(connection, *batch) == {"applied": 3}
    (kept,) = rows(connection, "flip_events")
    assert (str(kept["site_id"]), kept["status"], kept["is_participating"]) == (site, "UPCOMING", True)
    assert kept["schedule"][0]["device_ids"] == ["battery-1"]
    assert rows(connection, "commands")[0]["revised_at"] == NOON + timedelta(seconds=0.5)
    assert rows(connection, "enrollments")[0]["updated_at"] == NOON


def test_what_comes_twice_is_applied_once(connection: Connection, site: str) -> None:
    first = webhook("command.created", command(), webhook_id="msg_1")
    again = webhook("command.created", command(), webhook_id="msg_1", sent_at=NOON + MINUTE)
    assert take(connection, first, first) == {"applied": 1, "duplicates": 1}
    assert take(connection, again) == {"duplicates": 1}
    assert len(rows(connection, "command_messages")) == 1


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_whatever_order_they_come_in_the_newest_word_stays(
    connection: Connection, site: str, order: tuple[int, ...]
) -> None:
    """Also when the oldest is delivered last, with a newer delivery time."""
    words = [
        ("event.created", event(site), NOON),
        ("event.updated", event(site, is_participating=False), NOON + MINUTE),
        ("event.canceled", event(site, is_participating=False), NOON + 2 * MINUTE),
    ]
    for delivery, number in enumerate(order):
        event_type, told, said_at = words[number]
        take(connection, webhook(event_type, told, said_at, sent_at=NOON + (3 + delivery) * MINUTE))
    (kept,) = rows(connection, "flip_events")
    assert (kept["status"], kept["is_participating"]) == ("CANCELED", False)
    assert kept["flip_updated_at"] == NOON + 2 * MINUTE


def test_of_two_words_of_one_instant_the_cancellation_stays(connection: Connection, site: str) -> None:
    assert take(connection, webhook("event.canceled", event(site))) == {"applied": 1}
    assert take(connection, webhook("event.created", event(site))) == {"outdated": 1}
    assert rows(connection, "flip_events")[0]["status"] == "CANCELED"


def test_a_cancellation_that_still_says_ok_cancels_the_command(connection: Connection, site: str) -> None:
    later = "2026-11-23T12:05:00Z"
    take(connection, webhook("command.created", command()))
    assert take(connection, webhook("command.canceled", command(updated_at=later))) == {"applied": 1}
    assert rows(connection, "commands")[0]["flip_status"] == "CANCELED"


def test_an_older_command_is_outdated(connection: Connection, site: str) -> None:
    newer = command(updated_at="2026-11-23T12:05:00Z", ends_at="2026-11-23T15:00:00Z")
    assert take(connection, webhook("command.updated", newer)) == {"applied": 1}
    assert take(connection, webhook("command.created", command())) == {"outdated": 1}
    assert rows(connection, "commands")[0]["ends_at"].hour == 15


def test_what_is_not_understood_is_kept_with_its_outcome(connection: Connection, site: str) -> None:
    odd = [
        webhook("supplement.created", {"a": 1}),
        webhook("command.created", command("battery-of-somebody-else")),
        webhook("event.created", event(str(uuid4()))),
        webhook("event.created", event("no uuid")),
        webhook("event.created", {"id": "evt_9"}),
        webhook("event.created", event(site, id="nul\0")),
        webhook("event.created", event(site, duration_s=1e300, ends_at=None)),
        signed("no json"),
        signed("[" * 100_000),
        webhook("nul\0.type", {}),
    ]
    assert take(connection, *odd, webhook("command.created", command())) == {
        "applied": 1, "unknown_type": 1, "unknown_subject": 3, "unreadable": 6,
    }  # fmt: skip
    kept = {row["webhook_id"]: row for row in rows(connection, "flip_webhooks")}
    assert set(kept) >= {each.webhook_id for each in odd}, "one was dropped"
    assert all(row["detail"] for row in kept.values() if row["outcome"] not in {"applied", "unknown_type"})
    assert kept[odd[7].webhook_id]["body"] == "no json"
    assert rows(connection, "flip_events") == []


def test_what_no_index_and_no_reader_of_ours_takes_harms_nobody_else(connection: Connection, site: str) -> None:
    long_id = "".join(f"{number:x}" for number in range(4000))  # PostgreSQL indexes no text of that length
    before_year_1: dict[str, Any] = {"starts_at": "0001-01-01T00:00:00+14:00", "ends_at": None}
    after_year_9999: dict[str, Any] = {"ends_at": "9999-12-31T23:59:59-12:00"}
    lasting: dict[str, Any] = {"starts_at": "9999-12-31T10:00:00-05:00", "ends_at": None, "duration_s": 43_200}
    odd = [
        webhook("command.created", command(id=long_id)),
        webhook("event.created", event(site, id=long_id)),
        webhook("command.created", command(id="early", **before_year_1)),
        webhook("command.created", command(id="late", **after_year_9999)),
        webhook("command.created", command(id="lasting", **lasting)),
    ]
    assert take(connection, *odd, webhook("command.created", command())) == {"applied": 2, "unreadable": 4}
    kept = read_commands(connection, ["early", "late", "lasting", "cmd_1"])
    assert set(kept) == {"cmd_1", "lasting"}
    assert (kept["lasting"].report, kept["cmd_1"].report) == ("FAILED_FAULT", None)


def test_an_event_without_a_home_belongs_to_its_batteries_home(connection: Connection, site: str) -> None:
    assert take(connection, webhook("event.created", event(None), said_at=None)) == {"applied": 1}
    (kept,) = rows(connection, "flip_events")
    assert (str(kept["site_id"]), kept["flip_updated_at"]) == (site, NOON)


@pytest.mark.parametrize(("duration_s", "minutes"), [(600, 10), (0, 0), (-60, 0)])
def test_an_event_that_says_how_long_it_lasts_has_an_end(
    connection: Connection, site: str, duration_s: float, minutes: float
) -> None:
    told = event(site, ends_at=None, duration_s=duration_s)
    assert take(connection, webhook("event.created", told)) == {"applied": 1}
    (by_webhook,) = rows(connection, "flip_events")
    assert by_webhook["ends_at"] - by_webhook["starts_at"] == minutes * MINUTE
    FlipEvents(connection).said(site, msgspec.convert(told, flip.Event))
    (by_answer,) = rows(connection, "flip_events")
    assert by_answer["ends_at"] == by_webhook["ends_at"], "a webhook and an answer mean the same"


@pytest.mark.parametrize("error", [ValueError("odd"), KeyError("odd"), RecursionError(), psycopg.DataError("odd")])
def test_a_webhook_at_which_we_fail_is_kept_and_holds_up_no_other(
    connection: Connection, site: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    receive = Commands.receive

    def failing(self: Commands, told: flip.FlipCommand, *times: Any) -> Any:
        if told.id == "cmd_odd":
            raise error
        return receive(self, told, *times)

    monkeypatch.setattr(Commands, "receive", failing)
    odd, good = webhook("command.created", command(id="cmd_odd")), webhook("command.created", command())
    assert take(connection, odd, good) == {"applied": 1, "unreadable": 1}
    kept = {row["webhook_id"]: row["outcome"] for row in rows(connection, "flip_webhooks")}
    assert kept == {odd.webhook_id: "unreadable", good.webhook_id: "applied"}


@pytest.mark.parametrize("error", [psycopg.OperationalError("gone"), psycopg.errors.UndefinedTable("not migrated")])
def test_what_is_the_databases_fault_leaves_the_batch_in_the_queue(
    connection: Connection, site: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(*_: object) -> Any:
        raise error

    monkeypatch.setattr(Commands, "receive", failing)
    with pytest.raises((FleetError, psycopg.Error)):
        take(connection, webhook("command.created", command()))
    assert rows(connection, "flip_webhooks") == []


def test_settings_that_flip_asks_for_are_kept_as_it_sent_them_and_counted(connection: Connection) -> None:
    assert Webhooks(connection).heard_at() is None, "nobody waits for one"
    asked = {"object_type": "settings_request", "id": "r-1", "backup_reserve_percentage": 30}
    one = webhook("settings.apply", asked)
    assert take(connection, one, one) == {"settings_requests": 1, "duplicates": 1}
    (kept,) = Webhooks(connection).of_type(flip.SETTINGS_APPLY, 10)
    assert (kept["webhook_id"], kept["event_object"]) == (one.webhook_id, asked)


def test_a_command_that_no_webhook_told_of_is_missed_once_it_is_ten_minutes_old(
    connection: Connection, site: str
) -> None:
    add_battery(connection, "battery-2", site)
    told = flip.accepted(flip.read(flip.FlipCommand, command(name, id=name)) for name in ("battery-1", "battery-2"))
    assert take_polled(connection, told[:1], NOON + 9 * MINUTE) == Polled(news=1)
    assert take_polled(connection, told, NOON + 11 * MINUTE) == Polled(news=1, missed=1)


def test_the_refused_are_kept_without_their_signature(connection: Connection, site: str) -> None:
    genuine = webhook("command.created", command())
    forged = Posted("m-forged", genuine.body + b" ", NOON, "msg_1\x1b[2J", genuine.timestamp, genuine.signature)
    bare = Posted("m-bare", b"\x00\xff", NOON)
    stale = webhook("command.created", command(), waited_s=601)
    assert take(connection, forged, bare, stale, stale) == {"refused": 4}
    refused = {row["message_id"]: row for row in rows(connection, "refused_webhooks")}
    assert {key: row["reason"] for key, row in refused.items()} == {
        "m-forged": "no_headers", "m-bare": "no_headers", stale.message_id: "stale",
    }  # fmt: skip
    assert genuine.signature[3:] not in str(refused) and bytes(refused["m-bare"]["body"]) == b"\x00\xff"
    assert (rows(connection, "flip_webhooks"), rows(connection, "commands")) == ([], [])
    shown = Webhooks(connection).refused(10)
    assert len(shown) == 3 and {row["bytes"] for row in shown} >= {2}


def test_of_a_flood_of_forgeries_only_the_beginning_is_kept(connection: Connection) -> None:
    webhooks, refusal = Webhooks(connection, refused_per_day=3), Refusal("no_headers", "It came without webhook-id.")
    kept = [webhooks.refuse(Posted(f"m{number}", b"x" * 100_000, NOON), refusal) for number in range(5)]
    assert kept == [True, True, True, False, False]
    connection.commit()
    assert [len(row["body"]) for row in rows(connection, "refused_webhooks")] == [REFUSED_BYTES] * 3


def test_two_workers_take_the_same_webhook_once(database: Settings, connection: Connection, site: str) -> None:
    batch = [webhook("command.created", command(id=f"cmd_{number}")) for number in range(20)]
    totals: list[IntakeFigures] = []

    def work() -> None:
        with connect(database) as own:
            totals.append(take_in(own, batch, KEYS))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert sorted((total.applied, total.duplicates) for total in totals) == [(0, 20), (20, 0)]
    assert len(rows(connection, "command_messages")) == 20


def test_a_failure_of_ours_leaves_nothing_half_stored(connection: Connection, site: str) -> None:
    connection.execute("ALTER TABLE fleet.commands RENAME COLUMN reason TO why")
    connection.commit()
    batch = [webhook("event.created", event(site)), webhook("command.created", command())]
    with pytest.raises(FleetError, match="does not take a statement of ours"):
        take_in(connection, batch, KEYS)
    assert (rows(connection, "flip_webhooks"), rows(connection, "flip_events")) == ([], [])


def test_flip_s_list_tells_what_no_webhook_did(connection: Connection, site: str) -> None:
    known, missed = command(), command(id="cmd_2", starts_at="2026-11-23T15:00:00Z", ends_at="2026-11-23T15:10:00Z")
    broken, foreign = command(id="cmd_3", device_id="a\0b"), command(id="cmd_4", device_id="stranger")
    take(connection, webhook("command.created", known))
    listed = [msgspec.convert(each, flip.FlipCommand) for each in (missed, known, broken, foreign)]
    assert take_polled(connection, listed, NOON + MINUTE) == Polled(news=1)
    assert take_polled(connection, listed, NOON + 2 * MINUTE) == Polled()
    assert [row["command_id"] for row in rows(connection, "commands")] == ["cmd_1", "cmd_2"]


def test_a_replay_is_known_for_thirty_days_and_then_forgotten(connection: Connection, site: str) -> None:
    take(connection, webhook("settings.apply", {}), Posted("m1", b"", NOON))
    now = one(connection.execute("SELECT now() AS now"))["now"]
    connection.commit()
    webhooks = Webhooks(connection)
    assert webhooks.prune(now - timedelta(days=30)) == 0
    assert len(webhooks.recent(10)) == 1
    assert webhooks.prune(now + MINUTE) == 2
    assert (webhooks.recent(10), webhooks.refused(10)) == ([], [])
