"""Least privilege, read from the catalogue: a table, view or function that nobody decided on fails here."""

from collections.abc import Iterator
from importlib import resources
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from fleet.adapters.postgres.migrations import migrate
from fleet.settings import Settings
from local_cloud.servers import make_room_for_prefect
from tests.database_server import DatabaseServer
from tests.supabase import catalogue
from tests.supabase.conftest import Fleet

pytestmark = pytest.mark.integration

READ = ["authenticated select"]
RELATIONS = {
    "fleet.sites": ["authenticated insert", "authenticated select", "authenticated update"],
    "fleet.registrations": READ,
    "fleet.registration_events": READ,
    "fleet.used_links": [],
    "fleet.app_credentials": [],
    "fleet.certificates": [],
    "fleet.rotations": [],
    "fleet.left_homes": [],
    "fleet.devices": READ,
    "fleet.telemetry": READ,
    "fleet.telemetry_chunks": READ,
    "fleet.telemetry_rows": READ,
    "fleet.telemetry_1min": READ,
    "fleet.telemetry_1min_rows": READ,
    "fleet.telemetry_minutes": READ,
    "fleet.telemetry_open": READ,
    "fleet.telemetry_1h": READ,
    "fleet.telemetry_dirty": [],
    "fleet.telemetry_archives": [],
    "fleet.telemetry_known": [],
    "fleet.telemetry_latest": READ,
    "fleet.quarantine": READ,
    "fleet.forwarding": [],
    "fleet.forwarding_failures": [],
    "fleet.forwarding_late": [],
    "fleet.flip_requests": READ,
    "fleet.enrollments": READ,
    "fleet.site_programs": READ,
    "public.my_batteries": READ,
    "public.my_sites": READ,
    "public.my_flip_requests": READ,
    "public.my_enrollments": READ,
    "public.my_programs": READ,
    "fleet.flip_webhooks": READ,
    "fleet.refused_webhooks": READ,
    "fleet.flip_events": READ,
    "fleet.commands": READ,
    "fleet.command_transitions": READ,
    "fleet.command_revisions": READ,
    "fleet.command_cursors": [],
    "fleet.command_messages": [],
    "fleet.command_answers": [],
    "fleet.unexplained_acknowledgements": READ,
    "fleet.looks": [],
    "fleet.alarms": [],
    "fleet.alarm_notices": [],
    "public.my_events": READ,
    "public.my_commands": READ,
}
API = {
    "bind_device", "command_life", "dispatch_overview", "dispatch_power", "dispatch_report", "energy_series",
    "fleet_overview", "look_at_battery", "may_bind", "my_command_results", "name_battery", "quarantine_overview",
    "registration_record", "release_device", "request_flip", "save_site", "telemetry_readiness", "telemetry_series",
    "transfer_device", "unexplained_overview", "webhook_overview",
}  # fmt: skip
DEFINERS = {
    "public.bind_device",
    "public.look_at_battery",
    "public.may_bind",
    "public.name_battery",
    "public.release_device",
    "public.transfer_device",
    "public.request_flip",
    "fleet.accounts",
    "fleet.forget_programs",
}
CALLED_BY_INVOKERS = {
    "claims", "current_user_id", "is_operator", "require_user", "require_operator", "is_state_code", "interval_start",
    "clean_text", "accounts", "require_visible_device", "hours_by_minute", "visible_rollups", "telemetry_buckets",
    "command_window_end", "command_readings", "counted_wh", "command_asks", "command_energies", "asked_setpoint_w",
    "data_standing", "report_standing", "require_dispatch", "reading", "samples_of",
    "int16_at", "at_ms", "minute_number", "open_minutes", "samples_since",
    "energy_hours",
}  # fmt: skip
INLINED = {
    "claims", "current_user_id", "is_operator", "is_state_code", "interval_start", "ensure_telemetry_partition",
    "ensure_telemetry_table", "ensure_telemetry_hour", "archive_part", "command_window_end", "command_readings",
    "counted_wh", "asked_setpoint_w", "data_standing", "report_standing", "reading", "samples_of", "int16_at",
    "at_ms", "minute_number",
}  # fmt: skip
"""Without a search path of their own: those that PostgreSQL puts into the query whole, and the maintenance's."""


@pytest.fixture(scope="module")
def project_url(database_server: DatabaseServer) -> Iterator[str]:
    """A database as a Supabase project's is, with our migrations, and what Prefect's server needs beside them."""
    with database_server.database() as url:
        with psycopg.connect(database_server.stand_in_address(url)) as connection:
            connection.execute(resources.files("local_cloud.supabase").joinpath("bootstrap.sql").read_bytes())
        migrate(Settings(database_url=SecretStr(url)))
        make_room_for_prefect(url)
        yield url


@pytest.fixture(scope="module")
def relations(project_url: str) -> dict[str, dict[str, Any]]:
    return catalogue.relations(project_url)


@pytest.fixture(scope="module")
def functions(project_url: str) -> dict[str, dict[str, Any]]:
    return catalogue.functions(project_url)


def test_every_table_and_view_is_granted_what_was_decided_and_no_more(relations: dict[str, dict[str, Any]]) -> None:
    granted = {name: row["granted"] for name, row in relations.items() if not row["is_partition"]}
    assert granted == RELATIONS


def test_of_the_ledger_and_the_quarantine_some_columns_are_nobodys(relations: dict[str, dict[str, Any]]) -> None:
    ledger = ["thing_name", "model", "step", "certificate_id", "public_key_sha256", "provisioned_at"]
    assert sorted(relations["fleet.devices"]["readable"]) == sorted(ledger)
    for name in ("fleet.quarantine", "fleet.flip_webhooks", "fleet.refused_webhooks"):
        assert "body" not in relations[name]["readable"] and relations[name]["readable"]
    unread = {"flip_updated_at", "report_attempts", "next_report_at"}
    assert unread.isdisjoint(relations["fleet.commands"]["readable"])


def test_no_partition_is_granted_to_anybody(relations: dict[str, dict[str, Any]]) -> None:
    partitions = {name: row["granted"] for name, row in relations.items() if row["is_partition"]}
    assert len(partitions) > 5
    assert {name: granted for name, granted in partitions.items() if granted} == {}


def test_every_table_is_under_row_level_security_and_every_view_asks_as_its_caller(
    relations: dict[str, dict[str, Any]],
) -> None:
    tables = {name: row["has_policies_on"] for name, row in relations.items() if row["relkind"] in "rp"}
    views = {name: row["is_invoker"] for name, row in relations.items() if row["relkind"] not in "rp"}
    assert [name for name, held in (tables | views).items() if not held] == []


def test_the_api_is_these_functions_for_those_who_signed_in(functions: dict[str, dict[str, Any]]) -> None:
    granted = {row["name"]: row["granted"] for row in functions.values() if row["nspname"] == "public"}
    assert granted == {name: ["authenticated"] for name in API}


def test_a_visitor_calls_no_function_of_an_extension_either(fleet: Fleet, database_server: DatabaseServer) -> None:
    url = database_server.stand_in_address(fleet.project.settings.require_database_url())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public")
    answer = fleet.project.request("POST", "/rest/v1/rpc/show_limit", json={})
    assert answer.status_code == 200, "in the schema of the API, it is anybody's"
    make_room_for_prefect(url)
    answer = fleet.project.request("POST", "/rest/v1/rpc/show_limit", json={})
    assert (answer.status_code, answer.json()["code"]) == (404, "PGRST202")


def test_of_our_own_functions_callers_may_run_what_their_calls_need(functions: dict[str, dict[str, Any]]) -> None:
    granted = {
        row["name"]: row["granted"] for row in functions.values() if row["nspname"] == "fleet" and row["granted"]
    }
    assert granted == {name: ["authenticated"] for name in CALLED_BY_INVOKERS}


def test_few_functions_run_with_their_owners_rights(functions: dict[str, dict[str, Any]]) -> None:
    assert {name for name, row in functions.items() if row["is_definer"]} == DEFINERS


def test_every_function_names_schemas_itself(functions: dict[str, dict[str, Any]]) -> None:
    assert {row["name"] for row in functions.values() if not row["has_fixed_path"]} == INLINED


def test_no_call_is_compiled_before_it_is_carried_out(project_url: str) -> None:
    with psycopg.connect(project_url) as connection:
        found = connection.execute(
            "SELECT proname, coalesce(proconfig, '{}') FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        ).fetchall()
    settings = {name: config for name, config in found if name in API}
    assert settings.keys() == API
    assert not {name for name, config in settings.items() if "jit=off" not in config}


def test_the_migrations_apply_on_a_plain_postgresql_too(database: Settings) -> None:
    assert migrate(database) == []
    granted = {
        name: row["granted"]
        for name, row in catalogue.relations(database.require_database_url()).items()
        if not row["is_partition"]
    }
    assert granted == RELATIONS


AN_HOUR_CHANGES_NOTHING = {"command_window_end", "telemetry_buckets"}
"""Functions whose days are a limit that nobody counts in."""


def test_what_reckons_in_days_has_days_of_24_hours_whatever_zone_a_session_has(project_url: str) -> None:
    with psycopg.connect(project_url) as connection:
        found = connection.execute(
            "SELECT proname, coalesce(proconfig, '{}') FROM pg_proc WHERE pronamespace IN ('fleet'::regnamespace,"
            " 'public'::regnamespace) AND prosrc ~ '''[0-9]+ (day|week|month|year)s?'''"
        ).fetchall()
    in_days = {name for name, config in found if not any(each.lower() == "timezone=utc" for each in config)}
    assert in_days <= AN_HOUR_CHANGES_NOTHING
    assert {"telemetry_readiness"} <= {name for name, _ in found}
