"""Hostile requests: forged tokens, SQL where names and values go, bodies made to break parsers."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import jwt
import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from local_cloud.supabase.app import LARGEST_BODY
from local_cloud.supabase.keys import Keys
from local_cloud.supabase.tokens import Keyring
from tests.supabase_project import SupabaseProject

pytestmark = pytest.mark.integration
NOTES = "/rest/v1/rest_notes"
INJECTIONS = [
    "id; DROP TABLE rest_notes",
    'id"; DROP TABLE rest_notes; --',
    "id') OR 1=1 --",
    "(SELECT email FROM auth.users LIMIT 1)",
    "%(p0)s",
    "%s%%",
    "{}",
    "id::text)::text; DELETE FROM rest_readings",
    "\\",
    "'",
]


@pytest.fixture(scope="module")
def embedded(rest: SupabaseProject) -> SupabaseProject:
    if rest.keys is None:
        pytest.skip("needs the signing keys, which only the stand-in gives away")
    return rest


@pytest.fixture(autouse=True)
def _nothing_was_dropped(rest: SupabaseProject) -> Iterator[None]:
    yield
    with psycopg.connect(rest.settings.require_database_url()) as connection:
        assert connection.execute("SELECT count(*) FROM rest_readings").fetchone() == (5,)
        assert connection.execute("SELECT to_regclass('rest_notes') IS NOT NULL").fetchone() == (True,)


def claims(**changed: Any) -> dict[str, Any]:
    return {
        "sub": "00000000-0000-4000-8000-000000000001", "role": "authenticated", "aud": "authenticated",
        "session_id": "00000000-0000-4000-8000-000000000002", "exp": int(time.time()) + 600, **changed,
    }  # fmt: skip


def unsigned(content: dict[str, Any], keys: Keys) -> str:
    parts = [
        base64.urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=").decode() for part in ({"alg": "none"}, content)
    ]
    return ".".join([*parts, ""])


def signed_with_the_public_key(content: dict[str, Any], keys: Keys) -> str:
    # By hand: PyJWT rightly refuses to use a public key as an HMAC secret.
    header = {"alg": "HS256", "kid": Keyring(keys).public_jwk["kid"]}
    text = b".".join(base64.urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=") for part in (header, content))
    secret = msgspec.json.encode(Keyring(keys).public_jwk)
    mac = base64.urlsafe_b64encode(hmac.new(secret, text, hashlib.sha256).digest()).rstrip(b"=")
    return (text + b"." + mac).decode()


FORGERIES: dict[str, Callable[[Keys], str]] = {
    "alg none": lambda keys: unsigned(claims(role="service_role"), keys),
    "another secret": lambda keys: jwt.encode(claims(role="service_role"), "x" * 40, algorithm="HS256"),
    "the public key as secret": lambda keys: signed_with_the_public_key(claims(role="service_role"), keys),
    "another algorithm": lambda keys: jwt.encode(claims(), keys.jwt_secret, algorithm="HS512"),
    "expired": lambda keys: Keyring(keys).sign(claims(exp=int(time.time()) - 1)),
    "without expiry": lambda keys: Keyring(keys).sign({"role": "service_role"}),
    "expiry that is no number": lambda keys: jwt.encode({**claims(), "exp": "never"}, keys.jwt_secret),
    "not valid yet": lambda keys: Keyring(keys).sign(claims(nbf=int(time.time()) + 300)),
    "changed claims": lambda keys: ".".join(
        [
            Keyring(keys).sign(claims()).split(".")[0],
            base64.urlsafe_b64encode(msgspec.json.encode(claims(role="service_role"))).rstrip(b"=").decode(),
            Keyring(keys).sign(claims()).split(".")[2],
        ]
    ),
    "no token at all": lambda keys: "x",
    "empty parts": lambda keys: "..",
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_token_opens_nothing(embedded: SupabaseProject, forge: Callable[[Keys], str]) -> None:
    assert embedded.keys
    headers = {"Authorization": f"Bearer {forge(embedded.keys)}"}
    answer = embedded.request("GET", NOTES, headers=headers)
    assert (answer.status_code, answer.json()["code"]) in {(401, "PGRST301"), (401, "PGRST303")}
    for path in ("/auth/v1/user", "/auth/v1/admin/users"):
        answer = embedded.request("GET", path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "bad_jwt")


@pytest.mark.parametrize("role", ["postgres", "authenticator", "supabase_auth_admin", "pg_read_all_data", "", 1, None])
def test_a_token_names_no_other_role(embedded: SupabaseProject, role: object) -> None:
    assert embedded.keys
    token = Keyring(embedded.keys).sign(claims(role=role))
    answer = embedded.request("GET", NOTES, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "42501")


@pytest.mark.parametrize("role", ["postgres", "supabase_auth_admin", "pg_read_server_files"])
def test_postgresql_gives_the_login_no_other_role_either(embedded: SupabaseProject, role: str) -> None:
    assert embedded.keys
    url = psycopg.conninfo.make_conninfo(
        embedded.settings.require_database_url(), user="authenticator", password=embedded.keys.authenticator_password
    )
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT set_config('role', %s, true)", (role,))
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT * FROM rest_notes")


def test_a_signed_token_of_nobody_sees_nothing(embedded: SupabaseProject) -> None:
    assert embedded.keys
    for content in (claims(), {name: value for name, value in claims().items() if name != "sub"}):
        token = Keyring(embedded.keys).sign(content)
        assert embedded.request("GET", NOTES, headers={"Authorization": f"Bearer {token}"}).json() == []
    token = Keyring(embedded.keys).sign(claims(sub="' OR true --"))
    answer = embedded.request("GET", NOTES, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (400, "22P02")


@pytest.mark.parametrize("key", [None, "", "x", "eyJhbGciOiJub25lIn0.e30."])
def test_without_this_projects_api_key_nothing_is_served(rest: SupabaseProject, key: str | None) -> None:
    for path in (NOTES, "/auth/v1/user", "/auth/v1/admin/users", "/rest/v1/rpc/rest_add"):
        answer = rest.request("GET", path, headers={"apikey": key or ""})
        assert (answer.status_code, set(answer.json())) == (401, {"message"})


@pytest.mark.parametrize("text", INJECTIONS)
def test_sql_where_a_name_or_value_goes_stays_text(rest: SupabaseProject, text: str) -> None:
    table, merging = "/rest/v1/rest_readings", {"Prefer": "resolution=merge-duplicates"}
    places: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", table, {"params": {"select": text}}),
        ("GET", table, {"params": {"select": f"alias:{text}"}}),
        ("GET", table, {"params": {"select": f"id::{text}"}}),
        ("GET", table, {"params": {"select": f"data->{text}"}}),
        ("GET", table, {"params": {"order": text}}),
        ("GET", table, {"params": {text: "eq.1"}}),
        ("GET", table, {"params": {"name": f"eq.{text}"}}),
        ("GET", table, {"params": {"name": f"in.({text})"}}),
        ("GET", table, {"params": {"name": f"fts({text}).x"}}),
        ("GET", table, {"params": {"name": f"{text}.x"}}),
        ("GET", table, {"params": {"or": f"({text})"}}),
        ("GET", table, {"params": {"limit": text}}),
        ("GET", table, {"params": {"id": f"eq(any).{text}"}}),
        ("POST", table, {"json": {text: 1}}),
        ("POST", table, {"json": {"id": 1}, "params": {"columns": text}}),
        ("POST", table, {"json": {"id": 1}, "params": {"on_conflict": text}, "headers": merging}),
        ("PATCH", table, {"json": {text: 1}, "params": {"id": "eq.1"}}),
        ("DELETE", table, {"params": {text: "eq.1"}}),
        ("POST", "/rest/v1/rpc/rest_add", {"json": {text: 1}}),
        ("GET", "/rest/v1/rpc/rest_add", {"params": {"a": text}}),
    ]  # fmt: skip
    for method, path, options in places:
        answer = rest.request(method, path, **options)
        assert answer.status_code < 500, (method, options, answer.text)
        if answer.status_code == 200:
            assert len(answer.json()) in (0, 5)
        assert "@" not in answer.text


@pytest.mark.parametrize("text", INJECTIONS)
def test_sql_as_a_relations_or_functions_name_is_not_found(rest: SupabaseProject, text: str) -> None:
    for path in ("/rest/v1/", "/rest/v1/rpc/"):
        assert rest.request("GET", path + quote(text, safe="")).status_code in (400, 404)


def test_other_schemas_are_out_of_reach(rest: SupabaseProject) -> None:
    for name in ("auth.users", "pg_user", "pg_catalog.pg_authid", "users", '"auth"."users"'):
        assert rest.request("GET", f"/rest/v1/{name}").status_code == 404
    for name in ("pg_sleep", "set_config", "pg_read_file", "auth.uid", "current_setting"):
        assert rest.request("POST", f"/rest/v1/rpc/{name}", json={}).status_code == 404


BODIES: dict[str, bytes] = {
    "NUL in a value": b'{"body": "a\\u0000b"}',
    "NUL in a key": b'{"bo\\u0000dy": "x"}',
    "a raw NUL": b'{"body": "a\x00b"}',
    "half a character": b'{"body": "\\ud800"}',
    "half a character as key": b'{"\\ud800": "x"}',
    "not UTF-8": b'{"body": "\xff"}',
    "NaN": b'{"body": NaN}',
    "a number without end": b'{"id": ' + b"9" * 5000 + b"}",
    "1e400": b'{"id": 1e400}',
    "deep arrays": b'{"body": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"body": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    "a number": b"1",
    "a string": b'"x"',
    "an array of numbers": b"[1]",
    "nothing": b"",
    "unclosed": b'[{"body": "x"',
    "two documents": b'{"body": "x"}{"body": "y"}',
    "different keys": b'[{"body": "x"}, {"slug": "y"}]',
    "a long key": b'{"' + b"k" * 100_000 + b'": 1}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_made_to_break_parsers_is_refused(rest: SupabaseProject, body: bytes) -> None:
    key = rest.service_role_key.get_secret_value()
    headers = {"apikey": key, "Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    for method, path in (
        ("POST", NOTES), ("PATCH", NOTES + "?id=eq.0"), ("POST", "/rest/v1/rpc/rest_echo"), ("POST", "/auth/v1/otp"),
        ("POST", "/auth/v1/verify"), ("POST", "/auth/v1/token?grant_type=refresh_token"),
    ):  # fmt: skip
        answer = rest.request(method, path, content=body, headers=headers)
        assert 200 <= answer.status_code < 500, (method, path, answer.text[:300])
        assert method == "PATCH" or answer.status_code >= 400, (method, path, answer.text[:300])


def test_a_body_above_the_cap_is_refused(rest: SupabaseProject) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(LARGEST_BODY // 65536 + 2):
            yield b" " * 65536

    for path in (NOTES, "/auth/v1/otp"):
        assert rest.request("POST", path, content=b" " * (LARGEST_BODY + 1)).status_code == 413
        assert rest.request("POST", path, content=chunks()).status_code == 413


@pytest.mark.parametrize(
    "body", [{"email": ["a"]}, {"email": {"$gt": ""}}, {"email": 1}, [], {"email": "a@b.org' OR 1=1"}]
)
def test_an_address_that_is_no_string_is_refused(rest: SupabaseProject, body: object) -> None:
    assert rest.request("POST", "/auth/v1/otp", json=body).status_code == 400
    assert rest.request("POST", "/auth/v1/verify", json=body).status_code == 400


TEXT = st.text(st.characters(codec="utf-8"), max_size=80) | st.text("id,.:()\"'%*->{}\\ noteqlisrd", max_size=40)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=TEXT, value=TEXT, select=TEXT, order=TEXT)
def test_no_query_string_breaks_the_server(
    rest: SupabaseProject, key: str, value: str, select: str, order: str
) -> None:
    for params in ({key: f"eq.{value}"}, {"name": value}, {"select": select}, {"order": order}, {"or": f"({value})"}):
        answer = rest.request("GET", "/rest/v1/rest_readings", params=params)
        assert answer.status_code < 500, (params, answer.text)
        assert isinstance(answer.json(), list) or answer.json()["code"]


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES.map(lambda name: name.encode()[:60].decode(errors="ignore")))
def test_any_name_of_a_column_is_taken_as_it_is(embedded: SupabaseProject, name: str) -> None:
    with psycopg.connect(embedded.settings.require_database_url(), autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS rest_fuzz")
        connection.execute(sql.SQL("CREATE TABLE rest_fuzz ({} text)").format(sql.Identifier(name)))
        quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        path = "/rest/v1/rest_fuzz"
        made = embedded.request("POST", path, json={name: "v"}, headers={"Prefer": "return=representation"})
        assert made.json() == [{name: "v"}]
        found = embedded.request("GET", path, params={"select": quoted, quoted: "eq.v", "order": quoted})
        assert found.json() == [{name: "v"}]
        connection.execute("DROP TABLE rest_fuzz")
