"""What a run knows of its schedule."""

from datetime import UTC, datetime

from prefect.runtime import flow_run


def seconds_late() -> float:
    """Seconds since the run was due: starting took them from its time budget. 0 for a run that nothing scheduled."""
    due = flow_run.scheduled_start_time
    return max(0.0, (datetime.now(UTC) - due).total_seconds()) if due else 0.0
