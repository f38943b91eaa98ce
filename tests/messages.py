"""Queue messages for tests, as the topic rule delivers them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def sample(sequence: object = 1, measured_at: object = NOON, **changes: Any) -> dict[str, Any]:
    """One sample of a battery that charges from the sun."""
    if isinstance(measured_at, datetime):
        measured_at = measured_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "sequence": sequence,
        "measured_at": measured_at,
        "mode": "SELF_CONSUMPTION",
        "battery_charge_power_w": 1500.0,
        "battery_discharge_power_w": 0.0,
        "battery_charged_energy_wh": 100.0,
        "battery_discharged_energy_wh": 50.0,
        "battery_stored_energy_wh": 6750.0,
        "battery_capacity_energy_wh": 13500.0,
        "state_of_charge_pct": 50.0,
        "backup_reserve_pct": 20.0,
        "grid_online": True,
        "home_power_w": 500.0,
        "home_energy_wh": 1000.0,
        "solar_power_w": 2000.0,
        "solar_energy_wh": 4000.0,
        **changes,
    }


def in_columns(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same samples as a block of schema 2 says them, whatever stands in their readings; their sequences follow."""
    first = datetime.fromisoformat(samples[0]["measured_at"])
    offsets = [datetime.fromisoformat(one["measured_at"]) - first for one in samples]
    names = [name for name in samples[0] if name not in ("sequence", "measured_at")]
    return [
        {
            "first_sequence": samples[0]["sequence"],
            "first_measured_at": samples[0]["measured_at"],
            "after_ms": [offset // timedelta(milliseconds=1) for offset in offsets],
            **{name: [one[name] for one in samples] for name in names},
        }
    ]


def body(thing_name: str = "battery-1", samples: list[dict[str, Any]] | None = None, **changes: Any) -> bytes:
    """A message of `samples` (one by default), received a second after noon."""
    message = {
        "schema": 1,
        "boot_id": "boot-1",
        "last_command_sequence": 0,
        "command_results": [],
        "samples": [sample()] if samples is None else samples,
        "thing_name": thing_name,
        "received_at_ms": int((NOON + timedelta(seconds=1)).timestamp() * 1000),
        "client_id": thing_name,
        **changes,
    }
    return json.dumps(message).encode()
