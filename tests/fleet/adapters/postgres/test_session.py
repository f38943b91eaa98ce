"""Who refuses a client because there are too many is known by what each of them says."""

import psycopg
import pytest

from fleet.adapters.postgres.session import is_full

FULL = [
    "FATAL: no more connections allowed (max_client_conn)",
    "FATAL:  MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited to pool_size",
    "FATAL:  (EMAXCONNSESSION) max clients reached in session mode - max clients are limited to pool_size: 15",
    "FATAL:  Max client connections reached",
    "FATAL:  sorry, too many clients already",
    "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
    'FATAL:  too many connections for role "postgres"',
]
"""pgbouncer 1.18, tried; Supavisor, in 2024, in 2026 and of a tenant; PostgreSQL 15 and later."""
OTHERS = [
    'FATAL:  password authentication failed for user "postgres"',
    "Connection refused",
    "FATAL:  the database system is starting up",
    "connection timeout expired",
]


@pytest.mark.parametrize("text", FULL)
def test_a_refusal_for_want_of_a_place_is_recognised(text: str) -> None:
    assert is_full(psycopg.OperationalError(f'connection failed: connection to server at "127.0.0.1": {text}'))


@pytest.mark.parametrize("text", OTHERS)
def test_any_other_failure_is_not_waited_out(text: str) -> None:
    assert not is_full(psycopg.OperationalError(f"connection failed: {text}"))
