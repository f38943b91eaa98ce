"""The grammar alone, without a server: what it reads, and that nothing but a refusal comes out otherwise."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from local_cloud.supabase.rest.bodies import read_rows
from local_cloud.supabase.rest.errors import RestRefused
from local_cloud.supabase.rest.filters import Condition, Group, parse_filter
from local_cloud.supabase.rest.grammar import OrderTerm, SelectItem, parse_columns, parse_order, parse_select
from local_cloud.supabase.rest.scanner import Field
from local_cloud.supabase.rest.statements import array_literal, identifier

SYNTAX = st.text("ab,.:()\"'*->{}\\ noteqlisrd1", max_size=60)


def test_a_select_list_is_read() -> None:
    assert parse_select('*,a,b:c,d::text,e->f->>0,"x,y"') == (
        SelectItem(None),
        SelectItem(Field("a")),
        SelectItem(Field("c"), alias="b"),
        SelectItem(Field("d"), cast="text"),
        SelectItem(Field("e", ((False, "f"), (True, 0)))),
        SelectItem(Field("x,y")),
    )


@pytest.mark.parametrize("text", ["owner(id)", "owner!inner(id)", "...owner(id)", "count()", "a.sum()", "x:owner(id)"])
def test_embedding_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(RestRefused) as refused:
        parse_select(text)
    assert (refused.value.status, refused.value.code) == (400, "PGRST127")


def test_an_order_list_is_read() -> None:
    assert parse_order("a,b.desc,c.asc.nullsfirst,d.desc.nullslast") == (
        OrderTerm(Field("a")),
        OrderTerm(Field("b"), descending=True),
        OrderTerm(Field("c"), nulls_first=True),
        OrderTerm(Field("d"), descending=True, nulls_first=False),
    )


def test_a_logic_tree_is_read() -> None:
    assert parse_filter("or", '(a.eq.1,not.and(b.is.null,c.in.("x,y",z)),d.cs.{1,2})') == Group(
        "or",
        (
            Condition(Field("a"), "eq", ("1",)),
            Group(
                "and",
                (Condition(Field("b"), "is", ("null",)), Condition(Field("c"), "in", ("x,y", "z"))),
                negated=True,
            ),
            Condition(Field("d"), "cs", ("{1,2}",)),
        ),
    )


def test_a_value_keeps_its_dots_commas_and_quotes() -> None:
    assert parse_filter("a", 'not.eq.x.y,"z"') == Condition(Field("a"), "eq", ('x.y,"z"',), negated=True)


def test_groups_are_nested_so_deep_and_no_deeper() -> None:
    def nested(depth: int) -> str:
        return "(" + "and(" * (depth - 1) + "a.eq.1" + ")" * depth

    assert isinstance(parse_filter("or", nested(20)), Group)
    with pytest.raises(RestRefused):
        parse_filter("or", nested(21))
    with pytest.raises(RestRefused):
        parse_filter("or", nested(20_000))


@pytest.mark.parametrize("parse", [parse_select, parse_order, lambda text: parse_columns(text, "columns")])
@given(text=st.text(max_size=60) | SYNTAX)
def test_a_list_is_read_or_refused(parse: Callable[[str], tuple[object, ...]], text: str) -> None:
    try:
        assert isinstance(parse(text), tuple)
    except RestRefused as refused:
        assert refused.status == 400


@given(key=st.text(max_size=40) | SYNTAX, value=st.text(max_size=60) | SYNTAX)
def test_a_filter_is_read_or_refused(key: str, value: str) -> None:
    for each in (key, "or", "not.and"):
        try:
            assert isinstance(parse_filter(each, value), Condition | Group)
        except RestRefused as refused:
            assert refused.status == 400


@given(name=st.text(min_size=1, max_size=30))
def test_a_quoted_name_comes_back_as_it_was(name: str) -> None:
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert parse_columns(quoted, "columns") == (name,)
    assert parse_select(quoted) == (SelectItem(Field(name)),)


@given(values=st.lists(st.text(max_size=20), max_size=5))
def test_the_items_of_a_list_come_back_as_they_were(values: list[str]) -> None:
    quoted = ",".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    assert parse_filter("a", f"in.({quoted})") == Condition(Field("a"), "in", tuple(values))


def test_a_percent_sign_in_a_name_is_no_placeholder() -> None:
    assert identifier('a%(p0)s"b').as_string(None) == '"a%%(p0)s""b"'
    assert isinstance(identifier("a"), sql.Identifier)


def test_an_array_literal_escapes_what_would_end_an_item() -> None:
    assert array_literal(['a"b', "c\\d", "", "NULL", "{x,y}"]) == '{"a\\"b","c\\\\d","","NULL","{x,y}"}'


def test_rows_keep_the_numbers_of_their_text() -> None:
    rows = read_rows(b'{"a": 123456789012345678901234567890.10}', None)
    assert (rows.json, rows.columns) == (b'[{"a": 123456789012345678901234567890.10}]', ("a",))
