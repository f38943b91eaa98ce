"""Numbers and times in words, and text that Markdown leaves alone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlit_app import words

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC).astimezone(ZoneInfo("America/Los_Angeles"))


@pytest.mark.parametrize(
    ("watts", "text"), [(0, "0 W"), (999, "999 W"), (999.6, "1.0 kW"), (4810, "4.8 kW"), (None, "unknown")]
)
def test_powers_above_a_kilowatt_are_in_kilowatts(watts: float | None, text: str) -> None:
    assert words.power(watts) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "just now"), (59, "just now"), (60, "1 minute ago"), (7300, "2 hours ago"), (200_000, "2 days ago")],
)
def test_how_long_ago_is_coarse_and_never_in_the_future(seconds: float, text: str) -> None:
    assert words.ago(NOW - timedelta(seconds=seconds), NOW) == text


def test_a_moment_is_shown_in_the_readers_time() -> None:
    assert words.at(datetime(2026, 11, 23, 20, 5, tzinfo=UTC), NOW) == "Nov 23, 2026, 12:05"
    assert words.at(None, NOW) == "unknown"


@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("help@maker.example", "[help@maker.example](mailto:help@maker.example)"),
        ("https://maker.example/help", "[maker.example/help](https://maker.example/help)"),
    ],
)
def test_the_maker_is_reached_by_a_link(address: str, link: str) -> None:
    assert words.contact(address) == link


def test_a_mode_not_known_yet_is_shown_by_its_name() -> None:
    assert words.mode("FROM_THE_FUTURE") == "from the future"
    assert words.mode(None) == "unknown"


@given(st.text())
def test_no_text_keeps_markup_line_breaks_or_turning_characters(text: str) -> None:
    shown = words.plain(text)
    assert not set(shown) & {"\n", "\r", "\u202e", "\u2066"}
    for mark in "*_[<`$":
        assert shown.count(mark) == shown.count("\\" + mark)


def test_text_in_any_script_is_kept() -> None:
    assert words.plain("שלום 家 🏡") == "שלום 家 🏡"
