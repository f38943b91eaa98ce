"""What Flip's earlier pages say otherwise, put into the words of the newest before it is read.

The table "Which generation" of docs/flip.md has each difference with its page. Newer words win where both are there.
"""

from typing import Any

JsonObject = dict[str, Any]


def newest_command(item: JsonObject) -> JsonObject:
    """A command of 2024 begins at `start_at` and has a list of `battery_commands`, each with a status of its own."""
    command = {**item, "starts_at": _first(item, "starts_at", "start_at")}
    asked = item.get("battery_commands")
    if not isinstance(asked, list) or not all(isinstance(part, dict) for part in asked):
        return command
    if len(asked) == 1:
        (part,) = asked
        told = {name: part.get(name) for name in ("status", "device_status", "device_status_reason")}
        return {**told, **_without_nulls(command), "battery_commands": part}
    # One battery cannot do several at once: a mode that nobody knows, so that Flip hears of it and waits for nothing.
    return {**command, "battery_commands": {"mode": " and ".join(str(part.get("mode")) for part in asked)}}


def newest_enrollment(item: JsonObject) -> JsonObject:
    """In webhooks of 2024 `enroll_method` was `enrollment_method`."""
    return {**item, "enroll_method": _first(item, "enroll_method", "enrollment_method")}


def _first(item: JsonObject, newer: str, older: str) -> Any:
    return item.get(older) if item.get(newer) is None else item[newer]


def _without_nulls(item: JsonObject) -> JsonObject:
    return {name: value for name, value in item.items() if value is not None}
