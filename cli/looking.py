"""The lists of `fleet` out of the database: devices, commands, events, the quarantine, webhooks."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cli.output import Output
from cli.tables import print_table
from fleet.adapters.postgres import Connection, connect
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.adapters.postgres.inspection import Inspection
from fleet.adapters.postgres.quarantine import waiting
from fleet.adapters.postgres.webhooks import Webhooks
from fleet.flip import SETTINGS_APPLY
from fleet.settings import get_settings


@contextmanager
def _database() -> Iterator[Connection]:
    with connect(get_settings()) as connection:
        yield connection


def devices(out: Output, limit: int) -> None:
    """The fleet by name."""
    with _database() as connection:
        out.rows(DeviceLedger(connection).fleet(limit), empty="No device is provisioned yet.")


def device(out: Output, name: str) -> None:
    """One battery's story. Raises `NotFound`."""
    with _database() as connection:
        found = Inspection(connection).device(name)
    if out.as_json:
        out.result(found)
        return
    certificates, commands = found.pop("certificates"), found.pop("commands")
    print_table([{"": key.replace("_", " "), name: value} for key, value in found.items()], empty="")
    for heading, rows in (("certificates", certificates), ("latest commands", commands)):
        print(f"\n{heading}")
        print_table(rows, empty="none")


def commands(out: Output, thing_name: str, is_open: bool, limit: int) -> None:
    """Flip's commands, the latest first."""
    with _database() as connection:
        out.rows(Inspection(connection).commands(thing_name, is_open, limit), empty="There is no such command.")


def command_steps(out: Output, command_id: str) -> None:
    """What a command went through. Raises `NotFound`."""
    with _database() as connection:
        out.rows(Inspection(connection).command_steps(command_id), empty="")


def events(out: Output, is_open: bool, limit: int) -> None:
    """A utility's events, the latest first."""
    with _database() as connection:
        out.rows(Inspection(connection).events(is_open, limit), empty="There is no such event.")


def quarantine(out: Output) -> None:
    """What waits, by reason."""
    with _database() as connection:
        out.rows(waiting(connection), empty="The quarantine is empty.")


def quarantined(out: Output, thing_name: str, reason: str, limit: int) -> None:
    """What waits, message by message."""
    with _database() as connection:
        out.rows(Inspection(connection).quarantined(thing_name, reason, limit), empty="Nothing of that waits.")


def quarantined_message(out: Output, quarantine_id: int) -> None:
    """One message whole. Raises `NotFound`."""
    with _database() as connection:
        found = Inspection(connection).quarantined_message(quarantine_id)
    if out.as_json:
        out.result(found)
        return
    body = bytes(found.pop("body")).decode(errors="replace")
    print_table([{"": key.replace("_", " "), "message": value} for key, value in found.items()], empty="")
    print()
    print("".join(character if character.isprintable() or character == "\n" else "." for character in body))


def webhooks(out: Output, limit: int) -> None:
    """What Flip posted."""
    with _database() as connection:
        out.rows(Webhooks(connection).recent(limit), empty="No webhook has come yet.")


def refused_webhooks(out: Output, limit: int) -> None:
    """What was not believed."""
    with _database() as connection:
        out.rows(Webhooks(connection).refused(limit), empty="No webhook was refused.")


def settings_requests(out: Output, limit: int) -> None:
    """The settings that Flip asked for."""
    with _database() as connection:
        rows: list[dict[str, Any]] = Webhooks(connection).of_type(SETTINGS_APPLY, limit)
    shown = rows if out.as_json else [{**row, "event_object": json.dumps(row["event_object"])} for row in rows]
    out.rows(shown, empty="Flip asked for none.")
