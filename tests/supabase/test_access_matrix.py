"""Ben, signed in and creative, reaches nothing of Ann's: every table, view and function, by the API and by SQL.

What there is comes from the catalogue, so that a new table, view or function without a case fails here.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from fleet.adapters.postgres.session import settle
from fleet.telemetry.archive import STORED_COLUMNS
from tests.dispatch_examples import add_command, add_event, add_transition
from tests.stored_samples import LATEST
from tests.supabase import catalogue
from tests.supabase.conftest import HOME, Fleet, Person, home_of
from tests.supabase.refusals import NO_RIGHT, refused
from tests.supabase.test_grants import API, RELATIONS

pytestmark = pytest.mark.integration

FORWARDING = {"fleet.forwarding", "fleet.forwarding_failures", "fleet.forwarding_late"}
STORAGE = {"fleet.telemetry_dirty", "fleet.telemetry_archives", "fleet.telemetry_known"}
DISPATCH = {"fleet.command_cursors", "fleet.command_messages", "fleet.command_answers", "fleet.looks"}
WATCHING = {"fleet.alarms", "fleet.alarm_notices"}
LIFE = {"fleet.certificates", "fleet.rotations", "fleet.left_homes"}
CLOSED = {"fleet.used_links", "fleet.app_credentials", *FORWARDING, *DISPATCH, *STORAGE, *LIFE, *WATCHING}
OPERATORS_ONLY = {
    "fleet.quarantine", "fleet.flip_webhooks", "fleet.refused_webhooks", "fleet.unexplained_acknowledgements",
}  # fmt: skip
TABLES = sorted(name for name in RELATIONS if name.startswith("fleet."))
JOINS = {"my_batteries", "my_commands"}
VIEWS = sorted(name.removeprefix("public.") for name in RELATIONS if name.startswith("public."))


@dataclass(frozen=True)
class World:
    """Something of Ann's in every table."""

    fleet: Fleet
    ann: Person
    device: str
    site_id: str
    enrollment_id: str
    event_id: str
    command_id: str
    relations: dict[str, dict[str, Any]]

    @property
    def marks(self) -> list[str]:
        """What a row of Ann's has in it somewhere."""
        return [self.ann.user_id, self.ann.email, self.device, self.site_id, self.enrollment_id, *self._control]

    @property
    def _control(self) -> list[str]:
        return [self.event_id, self.command_id]

    def snapshot(self) -> str:
        """All of Ann's rows as the database's owner sees them; of telemetry, which is large, only how much."""
        kept = [self.seen_by(None, name) for name in TABLES if not name.startswith("fleet.telemetry")]
        counted = self.fleet.sql("SELECT count(*) AS n FROM fleet.telemetry WHERE thing_name = %s", self.device)
        return json.dumps([kept, counted[0]["n"]])

    def seen_by(self, person: Person | None, relation: str) -> list[str]:
        """The rows of Ann's that somebody (None: the database's owner) sees in a relation, by plain SQL."""
        readable = self.relations[relation]["readable"] or [self.relations[relation]["last_column"]]
        columns = sql.SQL(", ").join(map(sql.Identifier, readable)) if person else sql.SQL("*")
        statement = sql.SQL(
            "SELECT to_jsonb(rows)::text AS row FROM (SELECT {} FROM {}) AS rows"
            " WHERE to_jsonb(rows)::text LIKE ANY (%s) ORDER BY 1"
        ).format(columns, sql.Identifier(*relation.split(".")))
        with self.acting(person) as connection:
            rows = connection.execute(statement, [[f"%{mark}%" for mark in self.marks]]).fetchall()
        return [row["row"] for row in rows]

    @contextmanager
    def acting(self, person: Person | None) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """A transaction as PostgREST would open it for that person, past the API's limits to views and functions."""
        with psycopg.connect(self.fleet.project.settings.require_database_url(), row_factory=dict_row) as connection:
            settle(connection)
            if person:
                metadata = {"role": "operator"} if person.is_operator else {}
                claims = json.dumps({
                    "role": "authenticated", "sub": person.user_id, "email": person.email, "app_metadata": metadata,
                })  # fmt: skip
                connection.execute("SELECT set_config('request.jwt.claims', %s, true)", [claims])
                connection.execute("SET LOCAL ROLE authenticated")
            yield connection


@pytest.fixture(scope="module")
def world(fleet: Fleet) -> World:
    ann = fleet.person()
    site_id = home_of(ann)
    device = fleet.battery_of(ann, site_id)
    enrollment_id = fleet.enrollment(device, site_id)
    fleet.samples(device, datetime.now(UTC) - timedelta(hours=2), 20)
    fleet.sql(
        f"{LATEST} WHERE thing_name = %s ORDER BY sequence DESC LIMIT 1",
        device,
    )
    fleet.sql("INSERT INTO fleet.site_programs (site_id, programs) VALUES (%s, '[]')", site_id)
    fleet.sql(
        "INSERT INTO fleet.quarantine (message_id, reason, detail, thing_name, body) VALUES (%s, 'r', 'd', %s, '')",
        secrets.token_hex(8), device,
    )  # fmt: skip
    fleet.sql("INSERT INTO fleet.forwarding (thing_name, since, forwarded_until) VALUES (%s, now(), now())", device)
    fleet.sql(
        "INSERT INTO fleet.forwarding_failures (thing_name, start_time, reason) VALUES (%s, now(), 'refused')", device
    )
    fleet.sql("INSERT INTO fleet.forwarding_late (thing_name, start_time) VALUES (%s, now())", device)
    fleet.sql(
        f"INSERT INTO fleet.telemetry_rows SELECT {', '.join(STORED_COLUMNS)} FROM fleet.telemetry"  # noqa: S608
        " WHERE thing_name = %s LIMIT 1",
        device,
    )
    minute = ", ".join(fleet.sql("SELECT string_agg(attname, ',' ORDER BY attnum) AS names FROM pg_attribute"
        " WHERE attrelid = 'fleet.telemetry_1min_rows'::regclass AND attnum > 0")[0]["names"].split(","))  # fmt: skip
    fleet.sql(
        f"INSERT INTO fleet.telemetry_1min_rows ({minute}) SELECT {minute} FROM fleet.telemetry_1min"  # noqa: S608
        " WHERE thing_name = %s LIMIT 1",
        device,
    )
    fleet.sql("INSERT INTO fleet.telemetry_open VALUES (%s, now())", device)
    fleet.sql("INSERT INTO fleet.telemetry_known VALUES (%s, now(), now(), 1, 1, 0)", device)
    fleet.sql("INSERT INTO fleet.telemetry_dirty VALUES (%s, now())", device)
    fleet.sql(
        "INSERT INTO fleet.telemetry_archives VALUES (%s, 'b', now(), 0, 1, NULL, 1, now(), now(), 1, '')", device
    )
    fleet.sql("INSERT INTO fleet.app_credentials (name, secret_sha256) VALUES (%s, sha256('x'))", device)
    event_id, command_id = _control(fleet, device, site_id)
    relations = catalogue.relations(fleet.project.settings.require_database_url())
    return World(fleet, ann, device, site_id, enrollment_id, event_id, command_id, relations)


def _control(fleet: Fleet, device: str, site_id: str) -> tuple[str, str]:
    """An event of the home and its command, with all that goes with them; their ids."""
    starts_at = datetime.now(UTC) - timedelta(hours=2)
    ends_at = starts_at + timedelta(minutes=10)
    event_id = add_event(fleet.sql, site_id, [device], starts_at, ends_at)
    command_id = add_command(fleet.sql, device, starts_at, ends_at, received_at=datetime.now(UTC))
    add_transition(fleet.sql, command_id, "received", "Flip sent it", starts_at)
    fleet.sql("INSERT INTO fleet.command_cursors VALUES (%s, 1, 1)", device)
    fleet.sql("INSERT INTO fleet.rotations (thing_name, former_certificate_id) VALUES (%s, 'former')", device)
    fleet.sql("INSERT INTO fleet.left_homes (thing_name) VALUES (%s)", device)
    fleet.sql("INSERT INTO fleet.alarms VALUES ('device-silent', %s, 'is silent', now(), now(), NULL)", device)
    fleet.sql("INSERT INTO fleet.looks VALUES (%s, now())", device)
    fleet.sql("INSERT INTO fleet.alarm_notices VALUES (%s, now())", device)
    fleet.sql("INSERT INTO fleet.unexplained_acknowledgements VALUES (%s, 7, 2, 1, now(), now())", device)
    fleet.sql(
        "INSERT INTO fleet.command_answers (thing_name, acknowledged_sequence, results, received_at)"
        " VALUES (%s, 1, '[]', now())",
        device,
    )
    fleet.sql(
        "INSERT INTO fleet.command_messages (thing_name, sequence, command_id, revision, payload, created_at)"
        " VALUES (%s, 1, %s, 1, '{}', now())",
        device, command_id,
    )  # fmt: skip
    fleet.sql(
        "INSERT INTO fleet.flip_webhooks (webhook_id, event_type, sent_at, queued_at, body, outcome, detail)"
        " VALUES (%s, 'command.created', now(), now(), '{}', 'applied', %s)",
        secrets.token_hex(8), command_id,
    )  # fmt: skip
    fleet.sql(
        "INSERT INTO fleet.refused_webhooks (message_id, reason, detail, body, queued_at)"
        " VALUES (%s, 'stale', %s, '', now())",
        secrets.token_hex(8), device,
    )  # fmt: skip
    return event_id, command_id


@pytest.fixture(scope="module")
def ben(fleet: Fleet) -> Person:
    """Somebody with a home and a battery too. The same throughout: what one attempt gets him, the next may use."""
    ben = fleet.person()
    fleet.battery_of(ben)
    return ben


@pytest.fixture
def untouched(world: World) -> Iterator[World]:
    """Ann's world, which must be the same afterwards."""
    before = world.snapshot()
    yield world
    assert world.snapshot() == before


def test_there_is_something_of_anns_to_be_had_in_every_table(world: World) -> None:
    assert [name for name in TABLES if not world.seen_by(None, name)] == []


@pytest.mark.parametrize("relation", sorted(RELATIONS))
def test_ann_sees_what_is_hers(world: World, relation: str) -> None:
    if relation in CLOSED:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            world.seen_by(world.ann, relation)
    else:
        assert bool(world.seen_by(world.ann, relation)) == (relation not in OPERATORS_ONLY)


@pytest.mark.parametrize("relation", sorted(set(RELATIONS) - CLOSED))
def test_ben_sees_nothing_of_it_even_with_sql(world: World, ben: Person, relation: str) -> None:
    assert world.seen_by(ben, relation) == []


@pytest.mark.parametrize("relation", sorted(CLOSED))
def test_what_is_closed_is_closed(world: World, ben: Person, relation: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.seen_by(ben, relation)


def test_no_partition_is_a_way_around_the_policy(world: World, ben: Person) -> None:
    partitions = [name for name, row in world.relations.items() if row["is_partition"]]
    for partition in partitions:
        for person in (world.ann, ben):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                world.seen_by(person, partition)


WRITES = ["DELETE FROM {0}", "UPDATE {0} SET {1} = {1}", "INSERT INTO {0} DEFAULT VALUES", "TRUNCATE {0}"]


@pytest.mark.parametrize("relation", TABLES)
def test_ben_writes_nowhere_even_with_sql(untouched: World, ben: Person, relation: str) -> None:
    column = untouched.relations[relation]["last_column"]
    refusals = (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.NotNullViolation,
        psycopg.errors.ObjectNotInPrerequisiteState,  # a view of two tables takes nothing from anybody
        psycopg.errors.WrongObjectType,
    )
    for write in WRITES:
        statement = sql.SQL(write).format(sql.Identifier(*relation.split(".")), sql.Identifier(column))
        if relation == "fleet.sites" and write.startswith("UPDATE"):
            with untouched.acting(ben) as connection:
                assert connection.execute(statement).rowcount == len(ben.rows("my_sites"))
        else:
            with pytest.raises(refusals), untouched.acting(ben) as connection:
                connection.execute(statement)


def test_ben_makes_no_home_in_anns_name_nor_gives_her_his(untouched: World, ben: Person) -> None:
    values = [untouched.ann.user_id]
    with pytest.raises(psycopg.errors.InsufficientPrivilege), untouched.acting(ben) as connection:
        connection.execute(
            "INSERT INTO fleet.sites (owner_id, state_code, zip_code) VALUES (%s, 'NV', '88801')", values
        )
    home_of(ben)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), untouched.acting(ben) as connection:
        connection.execute("UPDATE fleet.sites SET owner_id = %s", values)


@pytest.mark.parametrize("view", VIEWS)
def test_ben_reads_nothing_of_anns_by_the_api(world: World, ben: Person, view: str) -> None:
    query = ben.client.table(view).select("*", count="exact")  # type: ignore[arg-type]
    answer = query.execute()
    assert not [row for row in answer.data if any(mark in str(row) for mark in world.marks)]
    assert answer.count == len(answer.data)


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_is_written_through(untouched: World, ben: Person, view: str) -> None:
    change = {"site_id": untouched.site_id}
    for person in (untouched.ann, ben):
        table = person.client.table(view)
        for attempt in (
            table.insert(change),
            table.upsert(change),
            table.update(change).eq("site_id", untouched.site_id),
            table.delete().eq("site_id", untouched.site_id),
        ):
            # A view that joins cannot be written at all, which PostgreSQL says before it looks at rights.
            with refused("55000" if view in JOINS else NO_RIGHT):
                attempt.execute()


@pytest.mark.parametrize("view", VIEWS)
def test_a_visitor_reads_no_view(world: World, view: str) -> None:
    with refused(NO_RIGHT):
        world.fleet.project.client().table(view).select("*").execute()


def test_the_schema_behind_is_not_served(world: World, ben: Person) -> None:
    for name in (table.removeprefix("fleet.") for table in TABLES):
        with refused("PGRST106"):
            ben.client.schema("fleet").table(name).select("*").execute()
        with refused("PGRST205"):
            ben.client.table(name).select("*").execute()


def test_no_function_of_the_schema_behind_is_served(world: World, ben: Person) -> None:
    functions = catalogue.functions(world.fleet.project.settings.require_database_url())
    hidden = [row["name"] for row in functions.values() if row["nspname"] == "fleet"]
    assert len(hidden) > 10
    for name in hidden:
        with refused("PGRST202"):
            ben.call(name)


Attack = Callable[[World, Person], object]


def span() -> dict[str, object]:
    now = datetime.now(UTC)
    return {"p_from": (now - timedelta(days=1)).isoformat(), "p_to": now.isoformat(), "p_points": 10}


def days() -> dict[str, object]:
    asked = span() | {"p_unit": "day", "p_time_zone": "America/Los_Angeles", "p_has_sun": True}
    return {name: value for name, value in asked.items() if name != "p_points"}


def ask(kind: str, **arguments: Callable[[World], object]) -> Attack:
    def attack(world: World, ben: Person) -> object:
        given = {f"p_{name}": value(world) for name, value in arguments.items()}
        return ben.call("request_flip", p_kind=kind, p_key=secrets.token_hex(4), **given)

    return attack


def anns_site(world: World) -> object:
    return world.site_id


def dispatch(world: World) -> dict[str, object]:
    """The dispatch that Ann's battery was in."""
    (row,) = world.fleet.sql(
        "SELECT starts_at, ends_at, mode FROM fleet.commands WHERE command_id = %s", world.command_id
    )
    return {f"p_{name}": value.isoformat() if name != "mode" else value for name, value in row.items()}


def opt_out(world: World) -> object:
    return {"event_id": world.event_id, "is_participating": False}


def with_own_event(world: World, ben: Person) -> object:
    """A change of an event of Ben's own home that sets the reserve of Ann's battery."""
    site_id = str(ben.rows("my_sites")[0]["site_id"])
    now = datetime.now(UTC)
    event_id = add_event(world.fleet.sql, site_id, [], now + timedelta(hours=1), now + timedelta(hours=2))
    settings = [{"device_id": world.device, "backup_reserve_percentage": 0}]
    return ask("change_event", site_id=lambda _: site_id, payload=lambda _: {
        "event_id": event_id, "device_settings": settings,
    })(world, ben)  # fmt: skip


def anns_device(world: World) -> object:
    return world.device


def with_own_home(kind: str, payload: Callable[[World], object]) -> Attack:
    """A request about Ben's own home that names something of Ann's inside."""

    def attack(world: World, ben: Person) -> object:
        return ask(kind, site_id=lambda _: home_of(ben), payload=payload)(world, ben)

    return attack


def bind(ben: Person, world: World, device: str, site_id: str, **changes: object) -> object:
    return ben.call("bind_device", **world.fleet.binding(device, site_id, **changes))


def may_bind(ben: Person, world: World, device: str, **changes: object) -> object:
    arguments = world.fleet.binding(device, "", **changes)
    del arguments["p_site_id"]
    return ben.call("may_bind", **arguments)


ATTACKS: dict[str, list[tuple[Attack, str]]] = {
    "bind_device": [
        (lambda w, ben: bind(ben, w, w.device, home_of(ben), p_app_credential="guess"), "PT403"),
        (lambda w, ben: bind(ben, w, w.device, home_of(ben)), "PT409"),
        (lambda w, ben: bind(ben, w, w.fleet.device(), w.site_id), "PT404"),
    ],
    "may_bind": [
        (lambda w, ben: may_bind(ben, w, w.device, p_app_credential="guess"), "PT403"),
        (lambda w, ben: may_bind(ben, w, w.device), "PT409"),
    ],
    "look_at_battery": [(lambda w, ben: ben.call("look_at_battery", p_thing_name=w.device), "PT404")],
    "save_site": [(lambda w, ben: ben.call("save_site", p_site_id=w.site_id, p_site=HOME), "PT404")],
    "release_device": [(lambda w, ben: ben.call("release_device", p_thing_name=w.device), "PT404")],
    "transfer_device": [
        (lambda w, ben: ben.call("transfer_device", p_thing_name=w.device, p_to_email=ben.email), "PT403")
    ],
    "registration_record": [(lambda w, ben: ben.call("registration_record", p_thing_name=w.device), "PT404")],
    "telemetry_series": [(lambda w, ben: ben.call("telemetry_series", p_thing_name=w.device, **span()), "PT404")],
    "name_battery": [
        (lambda w, ben: ben.call("name_battery", p_thing_name=w.device, p_name="mine"), "PT404"),
        (lambda w, ben: ben.call("name_battery", p_thing_name=w.device, p_name=None), "PT404"),
    ],
    "energy_series": [(lambda w, ben: ben.call("energy_series", p_thing_name=w.device, **days()), "PT404")],
    "telemetry_readiness": [(lambda w, ben: ben.call("telemetry_readiness", p_thing_name=w.device), "PT404")],
    "fleet_overview": [(lambda w, ben: ben.call("fleet_overview", p_search=w.ann.email), "PT403")],
    "quarantine_overview": [(lambda w, ben: ben.call("quarantine_overview"), "PT403")],
    "unexplained_overview": [(lambda w, ben: ben.call("unexplained_overview"), "PT403")],
    "request_flip": [
        (ask("commission", thing_name=anns_device), "PT404"),
        (ask("commission", thing_name=anns_device, site_id=anns_site), "PT404"),
        (ask("programs", site_id=anns_site), "PT404"),
        (ask("update_site", site_id=anns_site), "PT404"),
        (ask("enroll", site_id=anns_site, payload=lambda w: {"device_ids": [w.device]}), "PT404"),
        (ask("unenroll", site_id=anns_site, payload=lambda w: {"enrollment_id": w.enrollment_id}), "PT404"),
        (with_own_home("enroll", lambda w: {"device_ids": [w.device]}), "PT404"),
        (with_own_home("unenroll", lambda w: {"enrollment_id": w.enrollment_id}), "PT404"),
        (ask("change_event", site_id=anns_site, payload=opt_out), "PT404"),
        (with_own_home("change_event", opt_out), "PT404"),
        (with_own_event, "PT404"),
    ],
    "command_life": [(lambda w, ben: ben.call("command_life", p_command_id=w.command_id), "PT404")],
    "dispatch_overview": [(lambda w, ben: ben.call("dispatch_overview"), "PT403")],
    "dispatch_report": [(lambda w, ben: ben.call("dispatch_report", **dispatch(w)), "PT403")],
    "dispatch_power": [(lambda w, ben: ben.call("dispatch_power", **dispatch(w)), "PT403")],
    "webhook_overview": [(lambda w, ben: ben.call("webhook_overview"), "PT403")],
}  # fmt: skip


TAKES_NO_NAME = {"my_command_results"}
"""Without an argument that could name anything of somebody else's: what it answers is looked through instead."""


def test_every_function_of_the_api_is_attacked() -> None:
    assert set(ATTACKS) | TAKES_NO_NAME == API


def test_what_is_asked_for_without_a_name_is_ones_own(world: World, ben: Person) -> None:
    answers = {person.user_id: person.call("my_command_results", p_limit=200) for person in (world.ann, ben)}
    assert [result["command_id"] for result in answers[world.ann.user_id]] == [world.command_id]
    assert not [result for result in answers[ben.user_id] if any(mark in str(result) for mark in world.marks)]
    with refused(NO_RIGHT):
        world.fleet.project.client().rpc("my_command_results", {}).execute()


def test_an_operator_sees_every_command_and_no_event_of_a_home(world: World, operator: Person) -> None:
    assert world.seen_by(operator, "fleet.commands") and world.seen_by(operator, "fleet.command_transitions")
    assert world.seen_by(operator, "fleet.flip_webhooks") and world.seen_by(operator, "fleet.refused_webhooks")
    for relation in ("fleet.flip_events", "public.my_events", "public.my_commands"):
        assert world.seen_by(operator, relation) == []


def test_the_next_household_sees_what_came_from_its_own_time_on(world: World, operator: Person) -> None:
    fleet, former, heir = world.fleet, world.fleet.person(), world.fleet.person()
    device = fleet.battery_of(former)
    start = datetime.now(UTC) - timedelta(hours=1)
    before = add_command(fleet.sql, device, start, start + timedelta(minutes=5))
    operator.call("transfer_device", p_thing_name=device, p_to_email=heir.email)
    after = add_command(fleet.sql, device, start, start + timedelta(minutes=5), received_at=datetime.now(UTC))
    assert [row["command_id"] for row in heir.rows("my_commands")] == [after]
    assert former.rows("my_commands") == former.call("my_command_results") == []
    with refused("PT404"):
        heir.call("command_life", p_command_id=before)
    home = home_of(heir)
    fleet.sql("UPDATE fleet.registrations SET site_id = %s WHERE thing_name = %s", home, device)
    ahead = datetime.now(UTC) + timedelta(hours=1)
    add_event(fleet.sql, home, [device], ahead, ahead, heard_at=start)
    seen = add_event(fleet.sql, home, [device], ahead, ahead)
    assert [row["event_id"] for row in heir.rows("my_events")] == [seen]


@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name, attacks in ATTACKS.items() for number in range(len(attacks))]
)
def test_ben_gets_nothing_of_anns_by_a_function(untouched: World, ben: Person, name: str, number: int) -> None:
    attack, code = ATTACKS[name][number]
    before = ben.rows("my_batteries"), ben.rows("my_flip_requests")
    with refused(code):
        attack(untouched, ben)
    assert (ben.rows("my_batteries"), ben.rows("my_flip_requests")) == before


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_a_visitor_calls_no_function(untouched: World, name: str) -> None:
    visitor = Person(untouched.fleet.project.client(), "", "visitor@example.org")
    attack, _ = ATTACKS[name][0]
    with refused(NO_RIGHT):
        attack(untouched, _WithHome(visitor.client, "", visitor.email))


class _WithHome(Person):
    """A visitor who claims a home where the attack needs one: they cannot make one."""

    def call(self, function: str, **arguments: object) -> Any:
        if function == "save_site" and not arguments.get("p_site_id"):
            return "00000000-0000-0000-0000-000000000000"
        return super().call(function, **arguments)


@pytest.mark.parametrize("view", VIEWS)
def test_the_service_key_is_no_way_in_either(world: World, view: str) -> None:
    with refused(NO_RIGHT):
        world.fleet.project.service_client().table(view).select("*").execute()


def test_a_token_whose_subject_was_changed_is_refused(world: World, ben: Person) -> None:
    session = ben.client.auth.get_session()
    assert session
    header, payload, signature = session.access_token.split(".")
    edited = payload[:20] + ("A" if payload[20] != "A" else "B") + payload[21:]
    answer = world.fleet.project.request(
        "GET", "/rest/v1/my_batteries", headers={"Authorization": f"Bearer {header}.{edited}.{signature}"}
    )
    assert answer.status_code == 401
