"""Sessions that outlive a reload and a restart, and open nothing to who has the file."""

import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streamlit_app.session_store import LIFETIME_S, TICKET_LIFETIME_S, SessionStore, Tokens

NOW = 1_800_000_000.0
TOKENS = Tokens("access-token-of-owner", "refresh-token-of-owner")


@pytest.fixture
def store(folder: Path) -> Iterator[SessionStore]:
    opened = SessionStore(folder / "web" / "sessions.db")
    yield opened
    opened.close()


def test_a_key_opens_its_session_and_no_other(store: SessionStore) -> None:
    owner, other = store.open(TOKENS, NOW), store.open(Tokens("b", "b"), NOW)
    assert store.read(owner, NOW) == TOKENS
    assert store.read(other, NOW) == Tokens("b", "b")
    assert store.read(owner[:-1] + ("A" if owner[-1] != "A" else "B"), NOW) is None
    assert store.read("", NOW) is None


def test_a_session_survives_a_restart(folder: Path) -> None:
    first = SessionStore(folder / "sessions.db")
    key = first.open(TOKENS, NOW)
    first.close()
    second = SessionStore(folder / "sessions.db")
    assert second.read(key, NOW + 60) == TOKENS
    second.close()


def test_the_file_alone_opens_nothing(store: SessionStore, folder: Path) -> None:
    key = store.open(TOKENS, NOW)
    store.close()
    files = list((folder / "web").iterdir())
    content = b"".join(file.read_bytes() for file in files)
    assert TOKENS.access_token.encode() not in content
    assert TOKENS.refresh_token.encode() not in content
    assert key.encode() not in content
    assert stat.S_IMODE((folder / "web" / "sessions.db").stat().st_mode) == 0o600


def test_a_record_that_was_changed_or_swapped_opens_nothing(store: SessionStore, folder: Path) -> None:
    owner, other = store.open(TOKENS, NOW), store.open(Tokens("b", "b"), NOW)
    with sqlite3.connect(folder / "web" / "sessions.db") as database:
        [first, second] = [row[0] for row in database.execute("SELECT sealed FROM sessions ORDER BY id")]
        database.execute("UPDATE sessions SET sealed = CASE sealed WHEN ? THEN ? ELSE ? END", [first, second, first])
    assert store.read(owner, NOW) is None
    assert store.read(other, NOW) is None


def test_a_session_ends_after_its_lifetime_however_often_it_is_renewed(store: SessionStore) -> None:
    key = store.open(TOKENS, NOW)
    store.renew(key, Tokens("new", "new"), NOW + LIFETIME_S - 1)
    assert store.read(key, NOW + LIFETIME_S - 1) == Tokens("new", "new")
    assert store.read(key, NOW + LIFETIME_S) is None


def test_a_forgotten_session_does_not_come_back(store: SessionStore) -> None:
    key = store.open(TOKENS, NOW)
    store.forget(key)
    store.renew(key, TOKENS, NOW)
    assert store.read(key, NOW) is None


def test_a_ticket_is_good_once_and_for_a_minute(store: SessionStore) -> None:
    key = store.open(TOKENS, NOW)
    ticket = store.issue_ticket(key, NOW)
    assert store.redeem_ticket(ticket, NOW + TICKET_LIFETIME_S - 1) == key
    assert store.redeem_ticket(ticket, NOW) is None
    assert store.redeem_ticket(store.issue_ticket(key, NOW), NOW + TICKET_LIFETIME_S) is None
    assert store.redeem_ticket("guessed", NOW) is None


def test_attempts_are_counted_by_kind_and_subject_and_dropped_after_a_day(store: SessionStore) -> None:
    for at in (NOW, NOW + 10, NOW + 20):
        store.note_attempt("wrong", "owner@example.org", at)
    assert store.count_attempts("wrong", "owner@example.org", NOW + 5) == 2
    assert store.count_attempts("code", "owner@example.org", NOW) == 0
    assert store.count_attempts("wrong", "other@example.org", 0) == 0
    store.note_attempt("wrong", "owner@example.org", NOW + 90_000)
    assert store.count_attempts("wrong", "owner@example.org", 0) == 1
    store.clear_attempts("wrong", "owner@example.org")
    assert store.count_attempts("wrong", "owner@example.org", 0) == 0


def test_no_more_attempts_than_the_cap_pass_however_many_come_at_once(store: SessionStore) -> None:
    with ThreadPoolExecutor(20) as pool:
        passed = pool.map(lambda _: store.try_attempt("wrong", "owner@example.org", NOW, NOW - 1, 5), range(100))
        assert sum(passed) == 5
    store.take_back_attempt("wrong", "owner@example.org", NOW)
    assert store.count_attempts("wrong", "owner@example.org", NOW - 1) == 0
