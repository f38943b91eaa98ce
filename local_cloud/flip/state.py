"""What the stand-in remembers, in one SQLite file. One event loop uses it, so handlers never interleave."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

Document = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL, id TEXT NOT NULL, site_id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)
);
CREATE INDEX IF NOT EXISTS documents_by_site ON documents (kind, site_id);
CREATE TABLE IF NOT EXISTS received (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL, received_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS timers (due_at REAL NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS timers_by_time ON timers (due_at);
CREATE TABLE IF NOT EXISTS deliveries (
    number INTEGER PRIMARY KEY, webhook_id TEXT NOT NULL, event_type TEXT NOT NULL, body TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, due_at REAL, last_status TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;
"""
_TABLES = ("documents", "received", "timers", "deliveries")


class State:
    """Documents by kind and id; what was received, in order; timers; webhook deliveries."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(file, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self.connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what the block does; the block must not await."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def put(self, kind: str, body: Document, site_id: str = "") -> None:
        """Keep a document under its own `id`; what is replaced keeps its place and its site."""
        self.connection.execute(
            "INSERT INTO documents VALUES (?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
            (kind, body["id"], site_id, json.dumps(body)),
        )

    def get(self, kind: str, identity: str) -> Document | None:
        """The document, or None."""
        found = self.connection.execute("SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, identity))
        row = found.fetchone()
        return json.loads(row["body"]) if row else None

    def remove(self, kind: str, identity: str) -> None:
        """Forget the document."""
        self.connection.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, identity))

    def find(self, kind: str, site_id: str | None = None) -> list[Document]:
        """All documents of a kind, of one site where it is named, in the order they came."""
        query, values = "SELECT body FROM documents WHERE kind = ?", [kind]
        if site_id is not None:
            query, values = query + " AND site_id = ?", [kind, site_id]
        return [json.loads(row["body"]) for row in self.connection.execute(query + " ORDER BY rowid", values)]

    def receive(self, kind: str, items: list[tuple[str, Document]], at: str) -> None:
        """Note what came in: (subject, body) pairs. Nothing is replaced, so what comes twice is there twice."""
        rows = [(kind, subject, json.dumps(body), at) for subject, body in items]
        self.connection.executemany("INSERT INTO received (kind, subject, body, received_at) VALUES (?, ?, ?, ?)", rows)

    def received(self, kind: str, subject: str | None = None) -> list[Document]:
        """What came in, in order, each with `received_at`."""
        query = "SELECT body, received_at FROM received WHERE kind = ? AND (? IS NULL OR subject = ?) ORDER BY number"
        rows = self.connection.execute(query, (kind, subject, subject))
        return [{**json.loads(row["body"]), "received_at": row["received_at"]} for row in rows]

    def remind(self, at: datetime, kind: str, identity: str) -> None:
        """Call `due` with this once `at` has come."""
        self.connection.execute("INSERT INTO timers VALUES (?, ?, ?)", (at.timestamp(), kind, identity))

    def due(self, now: datetime) -> list[tuple[str, str]]:
        """The (kind, id) of the timers that have run out, in order; they are gone then."""
        found = self.connection.execute(
            "SELECT kind, id FROM timers WHERE due_at <= ? ORDER BY due_at, rowid", (now.timestamp(),)
        ).fetchall()
        if found:
            self.connection.execute("DELETE FROM timers WHERE due_at <= ?", (now.timestamp(),))
        return [(row["kind"], row["id"]) for row in found]

    def forget_everything(self) -> None:
        """Back to an empty stand-in."""
        for table in _TABLES:
            self.connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own table names
