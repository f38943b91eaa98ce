"""Events, commands and readings as the flows leave them, for tests of who sees them and what they come to."""

import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

RunSql = Callable[..., list[dict[str, Any]]]
"""`statement, *parameters` as the database's owner, with `%s`."""


def add_command(run_sql: RunSql, thing_name: str, starts_at: datetime, ends_at: datetime | None, **changes: Any) -> str:
    """A command that its battery was asked for and did, unless `changes` say otherwise; its id."""
    heard_at = changes.get("received_at", starts_at - timedelta(minutes=10))
    row = {
        "command_id": f"cmd_{uuid.uuid4().hex[:12]}", "thing_name": thing_name, "flip_status": "OK",
        "flip_updated_at": heard_at, "starts_at": starts_at, "ends_at": ends_at, "mode": "DISCHARGE",
        "power_mode": "SETPOINT", "setpoint_w": 2000.0, "backup_reserve_pct": 20.0, "state": "done",
        "received_at": heard_at, "revised_at": heard_at, **changes,
    }  # fmt: skip
    names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    run_sql(f"INSERT INTO fleet.commands ({names}) VALUES ({marks}) RETURNING 1", *row.values())  # noqa: S608
    return str(row["command_id"])


def add_event(
    run_sql: RunSql, site_id: str, thing_names: list[str], starts_at: datetime, ends_at: datetime, **changes: Any
) -> str:
    """An event of a home that it takes part in, unless `changes` say otherwise; its id."""
    part = {
        "device_ids": thing_names, "mode": changes.pop("mode", "DISCHARGE"), "is_preparatory_action": False,
        "starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat(),
    }  # fmt: skip
    row = {
        "event_id": f"evt_{uuid.uuid4().hex[:12]}", "site_id": site_id, "starts_at": starts_at, "ends_at": ends_at,
        "status": "UPCOMING", "is_participating": True, "schedule": json.dumps([part]), "device_settings": "[]",
        "heard_at": datetime.now(UTC), "flip_updated_at": datetime.now(UTC), **changes,
    }  # fmt: skip
    names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    run_sql(f"INSERT INTO fleet.flip_events ({names}) VALUES ({marks}) RETURNING 1", *row.values())  # noqa: S608
    return str(row["event_id"])


def add_transition(run_sql: RunSql, command_id: str, to_state: str, cause: str, at: datetime) -> None:
    """A step of a command's life."""
    run_sql(
        "INSERT INTO fleet.command_transitions (command_id, revision, to_state, at, cause)"
        " VALUES (%s, 1, %s, %s, %s) RETURNING 1",
        command_id, to_state, at, cause,
    )  # fmt: skip


def add_readings(
    run_sql: RunSql,
    thing_name: str,
    readings: Iterable[tuple[datetime, float | None, float | None]],
    power_w: float | Sequence[float] = 2000.0,
    numbers: Sequence[int] | None = None,
) -> None:
    """Samples of (measured_at, charged Wh, discharged Wh), in the battery's own order, received 2 s later.

    `power_w` is the discharging power of all of them, or of each; `numbers` are their sequences, 1 and so on without.
    """
    every = list(readings)
    powers = [power_w] * len(every) if isinstance(power_w, float | int) else power_w
    sequences = numbers or range(1, len(every) + 1)
    listed = [
        [one[0].isoformat(), one[1], one[2], watts, number]
        for one, watts, number in zip(every, powers, sequences, strict=True)
    ]
    run_sql(
        "INSERT INTO fleet.telemetry_rows SELECT %s, (reading ->> 0)::timestamptz, (reading ->> 4)::bigint,"
        " (reading ->> 0)::timestamptz + interval '2 s', now(), 'DISCHARGE', true, 0, (reading ->> 3)::float8,"
        " (reading ->> 1)::float8, (reading ->> 2)::float8, 5000, 10000, 50, 20, 300, 0, 0, 0"
        " FROM jsonb_array_elements(%s::jsonb) AS listed (reading) RETURNING 1",
        thing_name, json.dumps(listed),
    )  # fmt: skip
