"""A PostgreSQL of a benchmark's own, and queries timed as the REST API would ask them."""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from pydantic import SecretStr

from fleet.adapters.postgres import Connection
from fleet.adapters.postgres.migrations import migrate
from fleet.settings import Settings
from local_cloud import servers

ROUNDS = 7


@contextmanager
def throwaway_project() -> Iterator[Settings]:
    """A database as a Supabase project's is, with every migration; nothing of it stays."""
    with tempfile.TemporaryDirectory(prefix="flip-fleet-benchmark-", ignore_cleanup_errors=True) as home:
        server = servers.postgres(Path(home) / "data")
        try:
            with psycopg.connect(server.url) as connection:
                connection.execute(resources.files("local_cloud.supabase").joinpath("bootstrap.sql").read_bytes())
            settings = Settings(database_url=SecretStr(server.url))
            migrate(settings)
            yield settings
        finally:
            server.stop()


@dataclass(frozen=True)
class Taken:
    """Milliseconds of each run of a query, and what it answered."""

    milliseconds: list[float]
    answer: list[Any]


def timed(
    connection: Connection, statement: LiteralString, parameters: Mapping[str, object], claims: Mapping[str, object]
) -> Taken:
    """Ask in a transaction as PostgREST opens one for somebody who is signed in, the answer as one JSON array `it`."""
    taken, answer = list[float](), list[Any]()
    for _ in range(ROUNDS):
        with connection.transaction():
            connection.execute("SELECT set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
            connection.execute("SET LOCAL ROLE authenticated")
            start = time.perf_counter()
            rows = connection.execute(statement, parameters).fetchall()
            taken.append((time.perf_counter() - start) * 1000)
            answer = rows[0]["it"]
            assert answer
    return Taken(taken, answer)
