"""What supabase-py's REST client relies on; the same tests hold for a real project."""

from collections.abc import Callable
from typing import Any

import pytest
from postgrest import CountMethod, ReturnMethod
from postgrest.exceptions import APIError
from supabase import Client

from tests.supabase_project import SupabaseProject

pytestmark = pytest.mark.integration
ODD = 'odd, "name"% (x)'


@pytest.fixture(scope="module")
def visitor(rest: SupabaseProject) -> Client:
    return rest.client()


@pytest.fixture
def homeowner(rest: SupabaseProject) -> Client:
    return rest.signed_in()


def ids(query: Any) -> list[int]:
    return [row["id"] for row in query.order("id").execute().data]


FILTERS: list[tuple[str, Callable[[Any], Any], list[int]]] = [
    ("eq", lambda q: q.eq("name", "alpha"), [1]),
    ("eq number", lambda q: q.eq("power_w", 10.5), [1]),
    ("eq with reserved characters", lambda q: q.eq("name", 'gamma, "x"'), [3]),
    ("eq time", lambda q: q.eq("measured_at", "2026-01-02T01:00:00+01:00"), [2]),
    ("eq odd column", lambda q: q.eq(ODD, "o2"), [2]),
    ("neq", lambda q: q.neq("name", "alpha"), [2, 3, 5]),
    ("gt", lambda q: q.gt("power_w", 10.5), [2, 3]),
    ("gte", lambda q: q.gte("power_w", 10.5), [1, 2, 3]),
    ("lt", lambda q: q.lt("power_w", 10.5), [5]),
    ("lte", lambda q: q.lte("power_w", 10.5), [1, 5]),
    ("like", lambda q: q.like("name", "%lph%"), [1, 5]),
    ("like star", lambda q: q.like("name", "al*"), [1]),
    ("ilike", lambda q: q.ilike("name", "ALPHA%"), [1, 5]),
    ("like all", lambda q: q.like_all_of("name", "a%,%a"), [1]),
    ("like any", lambda q: q.like_any_of("name", "a%,b%"), [1, 2]),
    ("ilike all", lambda q: q.ilike_all_of("name", "A%,%A"), [1]),
    ("ilike any", lambda q: q.ilike_any_of("name", "A%,B%"), [1, 2, 5]),
    ("match", lambda q: q.filter("name", "match", "^[ab]"), [1, 2]),
    ("imatch", lambda q: q.filter("name", "imatch", "^A"), [1, 5]),
    ("is null", lambda q: q.is_("name", None), [4]),
    ("is true", lambda q: q.is_("online", True), [1, 4]),
    ("is false", lambda q: q.is_("online", False), [2, 5]),
    ("is unknown", lambda q: q.is_("online", "unknown"), [3]),
    ("is not null", lambda q: q.not_.is_("name", None), [1, 2, 3, 5]),
    ("isdistinct", lambda q: q.filter("online", "isdistinct", "true"), [2, 3, 5]),
    ("in", lambda q: q.in_("name", ["alpha", 'gamma, "x"', "Alpha (5)"]), [1, 3, 5]),
    ("in numbers", lambda q: q.in_("id", [1, 4]), [1, 4]),
    ("in nothing", lambda q: q.in_("id", []), []),
    ("not in", lambda q: q.not_.in_("id", [1, 4]), [2, 3, 5]),
    ("contains array", lambda q: q.contains("tags", ["b"]), [1, 2]),
    ("contains json", lambda q: q.contains("data", {"k": {"n": 1}}), [1]),
    ("contained by", lambda q: q.contained_by("tags", ["b", "c"]), [2, 3, 5]),
    ("overlaps", lambda q: q.overlaps("tags", ["a", "c"]), [1, 2, 5]),
    ("range lt", lambda q: q.range_lt("span", (9, 12)), [1, 2]),
    ("range gt", lambda q: q.range_gt("span", (5, 9)), [3, 5]),
    ("range lte", lambda q: q.range_lte("span", (5, 9)), [1, 2]),
    ("range gte", lambda q: q.range_gte("span", (8, 12)), [3, 5]),
    ("range adjacent", lambda q: q.filter("span", "adj", "[5,9)"), [1, 5]),
    ("text search", lambda q: q.fts("name", "alpha"), [1, 5]),
    ("plain text search", lambda q: q.plfts("name", "alpha"), [1, 5]),
    ("phrase search", lambda q: q.phfts("name", "alpha 5"), [5]),
    ("web search", lambda q: q.wfts("name", "alpha -5"), [1]),
    ("text search, configured", lambda q: q.filter("name", "fts(simple)", "alpha"), [1, 5]),
    ("json path", lambda q: q.eq("data->k->>n", "2"), [2]),
    ("json index", lambda q: q.eq("data->l->>0", "7"), [1]),
    ("or", lambda q: q.or_('name.eq.alpha,and(power_w.gt.15,name.eq."gamma, \\"x\\"")'), [1, 3]),
    ("or with a list", lambda q: q.or_("id.in.(1,2),tags.cs.{c}"), [1, 2, 5]),
    ("not or", lambda q: q.not_.or_("id.eq.1,id.eq.2,id.eq.3"), [4, 5]),
    ("negated members", lambda q: q.or_("id.not.gt.1,not.and(id.lt.5,id.gt.0)"), [1, 5]),
    ("quantified", lambda q: q.filter("id", "eq(any)", "{2,3}"), [2, 3]),
    ("two filters", lambda q: q.gt("id", 1).lt("id", 4), [2, 3]),
]


@pytest.mark.parametrize(("made", "expected"), [case[1:] for case in FILTERS], ids=[case[0] for case in FILTERS])
def test_a_filter_finds_its_rows(visitor: Client, made: Callable[[Any], Any], expected: list[int]) -> None:
    assert ids(made(visitor.table("rest_readings").select("id"))) == expected


def test_types_come_out_as_postgresql_writes_them(visitor: Client) -> None:
    row = visitor.table("rest_readings").select("*").eq("id", 1).single().execute().data
    assert row == {
        "id": 1, "name": "alpha", "power_w": 10.50, "online": True, "measured_at": "2026-01-01T00:00:00+00:00",
        "tags": ["a", "b"], "span": "[1,5)", "data": {"k": {"n": 1}, "l": [7, 8]}, "big": 9007199254740993, ODD: "o1",
    }  # fmt: skip


def test_columns_are_renamed_cast_and_reached_into(visitor: Client) -> None:
    odd = '"' + ODD.replace('"', '\\"') + '"'
    columns = ("title:name", "power_w::int8", "big::text", "data->k->>n", "first:data->l->0", odd)
    rows = visitor.table("rest_readings").select(*columns).eq("id", 1).execute().data
    assert rows == [{"title": "alpha", "power_w": 11, "big": "9007199254740993", "n": "1", "first": 7, ODD: "o1"}]


def test_nulls_may_be_left_out(visitor: Client) -> None:
    query = visitor.table("rest_readings").select("id,name,online").eq("id", 4).strip_nulls()
    assert query.execute().data == [{"id": 4, "online": True}]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"desc": False}, [5, 1, 2, 3, 4]),
        ({"desc": True}, [4, 3, 2, 1, 5]),
        ({"desc": True, "nullsfirst": False}, [3, 2, 1, 5, 4]),
        ({"desc": False, "nullsfirst": True}, [4, 5, 1, 2, 3]),
    ],
)
def test_rows_are_ordered(visitor: Client, order: dict[str, bool], expected: list[int]) -> None:
    rows = visitor.table("rest_readings").select("id").order("power_w", **order).execute().data  # type: ignore[arg-type]
    assert [row["id"] for row in rows] == expected


def test_pages_and_the_total(visitor: Client) -> None:
    def page(first: int, last: int) -> Any:
        return visitor.table("rest_readings").select("id", count=CountMethod.exact).order("id").range(first, last)

    answers = [page(0, 1).execute(), page(2, 3).execute(), page(4, 5).execute(), page(5, 6).execute()]
    assert [[row["id"] for row in answer.data] for answer in answers] == [[1, 2], [3, 4], [5], []]
    assert {answer.count for answer in answers} == {5}
    with pytest.raises(APIError) as error:
        page(6, 7).execute()
    assert error.value.code == "PGRST103"


def test_counting_needs_no_rows(visitor: Client) -> None:
    answer = visitor.table("rest_readings").select("*", count=CountMethod.exact, head=True).gt("id", 2).execute()
    assert (answer.count, answer.data) == (3, [])


def test_content_range_and_status_say_what_part_it_is(rest: SupabaseProject) -> None:
    path = "/rest/v1/rest_readings?select=id&order=id"
    part = rest.request("GET", path, headers={"Range": "1-2", "Prefer": "count=exact"})
    assert (part.status_code, part.headers["content-range"], part.json()) == (206, "1-2/5", [{"id": 2}, {"id": 3}])
    whole = rest.request("GET", path)
    assert (whole.status_code, whole.headers["content-range"]) == (200, "0-4/*")
    none = rest.request("GET", path + "&id=gt.99", headers={"Prefer": "count=exact"})
    assert (none.status_code, none.headers["content-range"]) == (200, "*/0")


def test_one_object_is_one_row_or_an_error(visitor: Client) -> None:
    table = visitor.table("rest_readings").select("id")
    assert table.eq("id", 3).single().execute().data == {"id": 3}
    for wanted in (99, None):
        query = visitor.table("rest_readings").select("id")
        with pytest.raises(APIError) as error:
            (query.eq("id", wanted) if wanted else query).single().execute()
        assert error.value.code == "PGRST116"
    assert visitor.table("rest_readings").select("id").eq("id", 99).maybe_single().execute() is None


def test_rows_are_written_changed_and_deleted(homeowner: Client) -> None:
    table = homeowner.table
    made = table("rest_notes").insert([{"slug": "a", "body": "one"}, {"slug": "b", "body": "two"}]).execute().data
    assert [row["body"] for row in made] == ["one", "two"]
    changed = table("rest_notes").update({"body": "three"}).eq("slug", "a").execute().data
    assert [(row["slug"], row["body"]) for row in changed] == [("a", "three")]
    gone = table("rest_notes").delete(count=CountMethod.exact).eq("slug", "b").execute()
    assert ([row["id"] for row in gone.data], gone.count) == ([made[1]["id"]], 1)
    assert [row["slug"] for row in table("rest_notes").select("*").execute().data] == ["a"]


def test_a_write_may_answer_nothing(homeowner: Client) -> None:
    assert homeowner.table("rest_notes").insert({"body": "x"}, returning=ReturnMethod.minimal).execute().data == []
    notes = homeowner.table("rest_notes")
    assert notes.update({"body": "y"}, returning=ReturnMethod.minimal).eq("body", "x").execute().data == []
    assert [row["body"] for row in homeowner.table("rest_notes").select("*").execute().data] == ["y"]


def test_a_single_insert_answers_an_object(rest: SupabaseProject, homeowner: Client) -> None:
    session = homeowner.auth.get_session()
    assert session
    headers = {
        "Authorization": f"Bearer {session.access_token}",
        "Prefer": "return=representation",
        "Accept": "application/vnd.pgrst.object+json",
    }
    answer = rest.request("POST", "/rest/v1/rest_notes?select=body", json={}, headers=headers)
    assert (answer.status_code, answer.json()) == (201, {"body": "empty"})


def test_an_upsert_merges_or_ignores(homeowner: Client) -> None:
    user = homeowner.auth.get_user()
    assert user
    row = {"owner": user.user.id, "slug": "s", "body": "first"}

    def upsert(body: str, **options: Any) -> list[str]:
        query = homeowner.table("rest_notes").upsert({**row, "body": body}, on_conflict="owner,slug", **options)
        return [each["body"] for each in query.execute().data]

    assert upsert("first") == ["first"]
    assert upsert("second") == ["second"]
    assert upsert("third", ignore_duplicates=True) == []
    kept = homeowner.table("rest_notes").select("id,body").execute().data
    assert [each["body"] for each in kept] == ["second"]
    by_key = homeowner.table("rest_notes").upsert({**row, "id": kept[0]["id"], "body": "by key"}).execute().data
    assert [each["body"] for each in by_key] == ["by key"]


def test_a_bulk_write_with_a_limit_is_undone_above_it(homeowner: Client) -> None:
    homeowner.table("rest_notes").insert([{"body": "a"}, {"body": "b"}]).execute()
    with pytest.raises(APIError) as error:
        homeowner.table("rest_notes").update({"body": "c"}).in_("body", ["a", "b"]).max_affected(1).execute()
    assert error.value.code == "PGRST124"
    assert sorted(row["body"] for row in homeowner.table("rest_notes").select("*").execute().data) == ["a", "b"]


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_a_change_of_all_rows_is_refused(homeowner: Client, verb: str) -> None:
    table = homeowner.table("rest_notes")
    with pytest.raises(APIError) as error:
        (table.update({"body": "x"}) if verb == "update" else table.delete()).execute()
    assert error.value.code == "21000"


CALLS: list[tuple[str, dict[str, Any], Any]] = [
    ("rest_add", {"a": 1, "b": 2}, 3),
    ("rest_add", {"a": 1}, 11),
    ("rest_names", {}, ["alpha", "beta", 'gamma, "x"', "Alpha (5)"]),
    ("rest_table", {"n": 2}, [{"number": 1, "label": "row 1"}, {"number": 2, "label": "row 2"}]),
    ("rest_total", {"values_w": [1, 2, 3]}, 6),
    ("rest_echo", {"document": {"a": [1, None, "x"]}}, {"a": [1, None, "x"]}),
]


@pytest.mark.parametrize("get", [False, True])
@pytest.mark.parametrize(("name", "arguments", "expected"), CALLS)
def test_a_function_answers_in_its_own_shape(
    visitor: Client, name: str, arguments: dict[str, Any], expected: Any, get: bool
) -> None:
    assert visitor.rpc(name, arguments, get=get).execute().data == expected


def test_a_functions_rows_are_filtered_ordered_and_counted(visitor: Client) -> None:
    assert visitor.rpc("rest_first").execute().data["id"] == 1
    query = visitor.rpc("rest_above", {"least_w": 0}, count=CountMethod.exact).select("id").gt("id", 1)
    answer = query.order("id", desc=True).limit(1).execute()
    assert (answer.data, answer.count) == ([{"id": 3}], 2)
    assert visitor.rpc("rest_above", {"least_w": 25}).single().execute().data["id"] == 3


def test_a_function_without_a_result_answers_nothing(visitor: Client) -> None:
    assert visitor.rpc("rest_nothing").execute().data in ([], None)


def test_a_get_call_cannot_write(homeowner: Client) -> None:
    with pytest.raises(APIError) as error:
        homeowner.rpc("rest_write", get=True).execute()
    assert error.value.code == "25006"
    assert isinstance(homeowner.rpc("rest_write").execute().data, int)


def test_a_function_runs_once_whatever_is_asked_of_its_result(homeowner: Client) -> None:
    homeowner.rpc("rest_write", count=CountMethod.exact).execute()
    assert len(homeowner.table("rest_notes").select("id").execute().data) == 1


def test_a_function_sees_who_calls(homeowner: Client, visitor: Client) -> None:
    user = homeowner.auth.get_user()
    assert user
    seen = homeowner.rpc("rest_whoami").execute().data
    assert (seen["user"], seen["role"], seen["uid"], seen["email"]) == (
        "authenticated", "authenticated", user.user.id, user.user.email,
    )  # fmt: skip
    assert (seen["method"], seen["read_only"]) == ("POST", "off")
    anonymous = visitor.rpc("rest_whoami", get=True).execute().data
    assert (anonymous["user"], anonymous["uid"], anonymous["method"]) == ("anon", None, "GET")
    assert anonymous["read_only"] == "on"
    assert anonymous["agent"].startswith("python-httpx")


ERRORS: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", "/rest_nowhere", {}, 404, "PGRST205"),
    ("GET", "/rest_readings?select=nothing", {}, 400, "42703"),
    ("GET", "/rest_readings?nothing=eq.1", {}, 400, "42703"),
    ("GET", "/rest_readings?id=eq.x", {}, 400, "22P02"),
    ("GET", "/rest_readings?id=1", {}, 400, "PGRST100"),
    ("GET", "/rest_readings?id=resembles.1", {}, 400, "PGRST100"),
    ("GET", "/rest_readings?order=id.sideways", {}, 400, "PGRST100"),
    ("GET", "/rest_readings?or=(id.eq.1", {}, 400, "PGRST100"),
    ("GET", "/rest_readings", {"headers": {"Accept-Profile": "auth"}}, 406, "PGRST106"),
    ("GET", "/rest_hidden", {}, 401, "42501"),
    ("POST", "/rest_readings", {"content": b"{"}, 400, "PGRST102"),
    ("POST", "/rest_readings", {"json": {"id": 9, "nothing": 1}}, 400, "PGRST204"),
    ("POST", "/rest_readings", {"json": {"id": 9}}, 401, "42501"),
    ("POST", "/rpc/rest_nowhere", {"json": {}}, 404, "PGRST202"),
    ("POST", "/rpc/rest_add", {"json": {"z": 1}}, 404, "PGRST202"),
    ("POST", "/rpc/rest_refuse", {"json": {"state": "P0001"}}, 400, "P0001"),
    ("POST", "/rpc/rest_refuse", {"json": {"state": "PT409"}}, 409, "PT409"),
    ("POST", "/rpc/rest_refuse", {"json": {"state": "23505"}}, 409, "23505"),
    ("POST", "/rpc/pg_sleep", {"json": {"double precision": 1}}, 404, "PGRST202"),
]


@pytest.mark.parametrize(("method", "path", "options", "status", "code"), ERRORS)
def test_an_error_has_postgrests_status_and_code(
    rest: SupabaseProject, method: str, path: str, options: dict[str, Any], status: int, code: str
) -> None:
    answer = rest.request(method, "/rest/v1" + path, **options)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"code", "message", "details", "hint"}


def test_a_constraint_of_the_table_is_told(homeowner: Client) -> None:
    with pytest.raises(APIError) as error:
        homeowner.table("rest_notes").insert({"body": "x" * 101}).execute()
    assert error.value.code == "23514"
    row = {"slug": "same"}
    homeowner.table("rest_notes").insert(row).execute()
    with pytest.raises(APIError) as error:
        homeowner.table("rest_notes").insert(row).execute()
    assert error.value.code == "23505"
