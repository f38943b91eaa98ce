"""Log lines for machines: one JSON object a record, with what it is about, and without secrets.

A record's own attributes (`extra={"thing_name": ...}`, or what Prefect gives a run's logger) say what it is about; else
the thing that `thing_name` holds, for code that works on one device after the other.
"""

import json
import logging
import sys
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from datetime import UTC, datetime

from fleet.errors import InvalidInput

ABOUT = ("thing_name", "flow_run_id", "flow_run_name", "task_run_id", "task_run_name")
"""What a line may be about, beside `at` (UTC), `level`, `logger` and `message`."""
HIDDEN = "***"
thing_name: ContextVar[str] = ContextVar("thing_name", default="")
"""The device that the present work is about; empty: none."""


class JsonFormatter(logging.Formatter):
    """A record as a JSON object: `at`, `level`, `logger`, `message`, what of `ABOUT` is known, and `trace` of an error.

    `always` is said of every record that says nothing else. What `secrets` gives (asked for once, at the first record)
    is not shown, wherever it stands.
    """

    def __init__(self, secrets: Callable[[], Iterable[str]] = tuple, **always: str) -> None:
        super().__init__()
        self._always, self._ask, self._secrets = always, secrets, list[str]()
        self._asked = False

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        at = datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        known = {"thing_name": thing_name.get(), **self._always}
        line |= {name: str(value) for name in ABOUT if (value := getattr(record, name, None) or known.get(name))}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps({name: self._without_secrets(value) for name, value in line.items()})

    def _without_secrets(self, text: str) -> str:
        if not self._asked:
            # What is asked may itself log: it is asked once.
            self._asked = True
            self._secrets = sorted(self._ask(), key=len, reverse=True)
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


def configure(log_format: str, level: int, secrets: Callable[[], Iterable[str]] = tuple) -> None:
    """Log to stderr from here on, as `text` or `json`. Raises `InvalidInput` for another format."""
    if log_format not in ("text", "json"):
        raise InvalidInput(f"The log format is {log_format!r}: use text or json (FLEET_LOG_FORMAT).")
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonFormatter(secrets) if log_format == "json" else text)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def have_all_speak_json(secrets: Callable[[], Iterable[str]]) -> None:
    """The handlers that others gave to their loggers write JSON too."""
    loggers = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        handler.setFormatter(JsonFormatter(secrets))
