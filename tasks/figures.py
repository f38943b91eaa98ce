"""What a run did, in figures: a table for people, and an event that automations can react to."""

from collections.abc import Mapping
from typing import Any

from prefect.artifacts import create_table_artifact
from prefect.events import emit_event


def show_figures(
    figures: Mapping[str, Any], key: str, event: str, resource: str, description: str = "What the last run did."
) -> None:
    """Show `figures` as the table artifact `key`, and emit `flip-fleet.{event}` about `flip-fleet.{resource}`."""
    rows = [{"figure": name, "value": value} for name, value in figures.items()]
    create_table_artifact(rows, key=key, description=description)
    tell(event, resource, figures)


def tell(event: str, resource: str, payload: Mapping[str, Any]) -> None:
    """Emit `flip-fleet.{event}` about `flip-fleet.{resource}`."""
    emit_event(f"flip-fleet.{event}", {"prefect.resource.id": f"flip-fleet.{resource}"}, payload=dict(payload))
