"""Prefect tasks: a call and its policy (retries, timeout, rate limit, run name). Clients are built inside."""

import logging

from fleet.errors import FleetError


def _sentence_only(record: logging.LogRecord) -> bool:
    """An error of ours says what to do in its sentence: a run's log needs no stack trace below it."""
    if record.exc_info and isinstance(record.exc_info[1], FleetError):
        record.exc_info = None
    return True


for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(_sentence_only)
