"""Ben reaches nothing of Ann's by any function that there is, nor learns that there is anything.

The functions and their arguments come from the database's catalogue, what goes into them from what Ann has: a new
function is attacked without being named. `tests/supabase/test_access_matrix.py` has the attacks that somebody thought
of, and the tables and views.
"""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg
import pytest

from tests.supabase import catalogue
from tests.supabase.conftest import Fleet, Person
from tests.supabase.test_access_matrix import World

pytestmark = pytest.mark.integration
CALLS = 40
KINDS = ("commission", "programs", "update_site", "enroll", "unenroll", "change_event", "remove_device")


def hers(world: World) -> dict[str, str]:
    """What of Ann's can be named, by what it is."""
    return {
        "device": world.device, "site": world.site_id, "enrollment": world.enrollment_id, "event": world.event_id,
        "command": world.command_id, "email": world.ann.email, "user": world.ann.user_id,
    }  # fmt: skip


def twins(named: Mapping[str, str], chance: Random) -> dict[str, str]:
    """Of the same shape, and nobody's."""
    other = uuid.UUID(int=chance.getrandbits(128), version=4)
    return {
        "device": f"battery-{other.hex[: len(named['device']) - 8]}", "site": str(other), "user": str(other),
        "enrollment": f"enr_{other.hex[: len(named['enrollment']) - 4]}", "email": f"{other.hex}@example.org",
        "event": other.hex[: len(named["event"])], "command": other.hex[: len(named["command"])],
    }  # fmt: skip


def candidates(argument: str, argument_type: str, named: Mapping[str, str]) -> list[Any]:
    """What could be put into an argument of that type."""
    if argument_type == "uuid":
        return [named["site"], named["user"]]
    if argument_type.startswith("timestamp"):
        now = datetime.now(UTC).replace(microsecond=0)
        return [(now - timedelta(hours=hours)).isoformat() for hours in (0, 2, 24)]
    if argument_type in ("integer", "bigint", "numeric", "double precision"):
        return [10]
    if argument_type == "boolean":
        return [True, False]
    if argument_type in ("json", "jsonb"):
        return [
            {"device_ids": [named["device"]], "enrollment_id": named["enrollment"], "program_id": "peak"},
            {"event_id": named["event"], "is_participating": False},
            {"device_settings": [{"device_id": named["device"]}], "event_id": named["event"]},
            {"thing_name": named["device"], "site_id": named["site"]},
        ]
    if argument_type == "text[]":
        return [[value] for value in named.values()]
    return list(KINDS) if "kind" in argument else [*named.values()]


def calls(function: Mapping[str, Any], mine: Mapping[str, str], nobodys: Mapping[str, str]) -> list[tuple[Any, Any]]:
    """Arguments that name what is Ann's, and the same with what is nobody's."""
    chance = Random(function["full_name"])
    pairs = []
    for _ in range(CALLS):
        choices = {argument: chance.randrange(1_000_000) for argument in function["arguments"]}

        def filled(named: Mapping[str, str], choices: Mapping[str, int] = choices) -> dict[str, Any]:
            found = {}
            for argument, argument_type in zip(function["arguments"], function["argument_types"], strict=True):
                options = candidates(argument, argument_type, named)
                found[argument] = options[choices[argument] % len(options)]
            return found

        pairs.append((filled(mine), filled(nobodys)))
    return pairs


def executable(fleet: Fleet, schema: str) -> list[dict[str, Any]]:
    """The functions of a schema that those who signed in may call."""
    found = catalogue.functions(fleet.project.settings.require_database_url()).values()
    return [row for row in found if row["nspname"] == schema and "authenticated" in row["granted"]]


def told(answer: str, mine: Mapping[str, str], sent: object) -> list[str]:
    """What an answer tells of Ann's that was not in the question."""
    return [mark for mark in mine.values() if mark in answer and mark not in json.dumps(sent)]


def leaks_of_the_api(world: World, ben: Person, fleet: Fleet) -> list[tuple[object, ...]]:
    """What Ben's calls tell of Ann's, or that tells hers from nobody's; by function and arguments."""
    mine = hers(world)
    nobodys = twins(mine, Random(1))
    session = ben.client.auth.get_session()
    assert session
    headers, leaks = {"Authorization": f"Bearer {session.access_token}"}, list[tuple[object, ...]]()
    for function in executable(fleet, "public"):
        for about_hers, about_nobodys in calls(function, mine, nobodys):
            path = f"/rest/v1/rpc/{function['name']}"
            first = fleet.project.request("POST", path, json=about_hers, headers=headers)
            second = fleet.project.request("POST", path, json=about_nobodys, headers=headers)
            if leaked := told(first.text, mine, about_hers):
                leaks.append((function["name"], about_hers, leaked))
            said = second.text
            for what, name in nobodys.items():
                said = said.replace(name, mine[what])
            if (first.status_code, first.text) != (second.status_code, said):
                leaks.append((function["name"], about_hers, first.text[:200], second.text[:200]))
    return leaks


def test_no_function_of_the_api_tells_or_changes_anything_of_anns(untouched: World, ben: Person, fleet: Fleet) -> None:
    assert len(executable(fleet, "public")) >= 17
    assert leaks_of_the_api(untouched, ben, fleet) == []


@pytest.mark.parametrize(
    "body",
    [
        "SELECT to_jsonb(mine) FROM fleet.registrations AS mine WHERE thing_name = p_thing_name",
        "SELECT to_jsonb(EXISTS (SELECT FROM fleet.devices WHERE thing_name = p_thing_name))",
        "SELECT to_jsonb(1 / (SELECT count(*) FROM fleet.devices WHERE thing_name = p_thing_name))",
    ],
    ids=["that tells whose it is", "that tells whether there is one", "that fails where there is none"],
)
def test_a_function_would_be_found(world: World, ben: Person, fleet: Fleet, body: str) -> None:
    """Or else the empty list above would prove nothing."""
    head = "CREATE FUNCTION public.of_a_test(p_thing_name text) RETURNS jsonb LANGUAGE sql SECURITY DEFINER"
    fleet.sql(f"{head} SET search_path = '' AS $$ {body} $$")
    try:
        fleet.sql("GRANT EXECUTE ON FUNCTION public.of_a_test(text) TO authenticated")
        assert {leak[0] for leak in leaks_of_the_api(world, ben, fleet)} == {"of_a_test"}
    finally:
        fleet.sql("DROP FUNCTION public.of_a_test(text)")


def test_no_function_behind_the_api_tells_anything_of_anns_even_with_sql(
    untouched: World, ben: Person, fleet: Fleet
) -> None:
    mine, functions = hers(untouched), executable(fleet, "fleet")
    assert len(functions) > 10
    leaks = []
    for function in functions:
        for arguments, _ in calls(function, mine, mine):
            values = [json.dumps(value) if isinstance(value, dict) else value for value in arguments.values()]
            marks = ", ".join(f"%s::{argument_type}" for argument_type in function["argument_types"])
            statement = f"SELECT to_jsonb(answer)::text FROM {function['full_name']}({marks}) AS answer"  # noqa: S608
            try:
                with untouched.acting(ben) as connection:
                    answer = str(connection.execute(statement.encode(), values).fetchall())
            except psycopg.Error as error:
                answer = str(error)
            if leaked := told(answer, mine, arguments):
                leaks.append((function["name"], arguments, leaked))
    assert leaks == []
