"""Signing in by code, staying signed in, and the caps, before the Supabase stand-in."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from fleet.adapters.supabase.sessions import SignedOut
from fleet.errors import InvalidInput, NotConfigured, Refused, Unavailable
from streamlit_app.services.accounts import (
    CODES_A_MINUTE,
    CODES_A_VISIT,
    CODES_AN_HOUR,
    WRONG_TRIES,
    Account,
    Accounts,
)
from streamlit_app.session_store import Tokens
from tests.homeowner_world import HomeownerWorld
from tests.supabase_project import new_address

pytestmark = pytest.mark.integration

SignIn = Callable[..., Account]


def test_a_kept_session_opens_in_another_tab_and_not_after_signing_out(accounts: Accounts, sign_in: SignIn) -> None:
    first = sign_in()
    second = accounts.resume(first.key)
    assert second is not None and second.who.user_id == first.who.user_id
    assert second.client is not first.client
    accounts.sign_out(first)
    assert accounts.resume(first.key) is None
    with pytest.raises(SignedOut):
        accounts.refreshed(second)


def test_tabs_share_a_renewal_instead_of_spending_a_token_twice(accounts: Accounts, sign_in: SignIn) -> None:
    first = sign_in()
    second = accounts.resume(first.key)
    assert second is not None
    renewed = first.client.auth.refresh_session().session
    assert renewed is not None
    accounts.store.renew(first.key, Tokens(renewed.access_token, renewed.refresh_token), time.time())
    followed = accounts.refreshed(second)
    assert followed.who.access_token == renewed.access_token
    assert accounts.refreshed(followed).who.access_token == renewed.access_token


def test_an_access_token_that_ended_is_renewed_and_kept(accounts: Accounts, sign_in: SignIn) -> None:
    account = sign_in()
    session = account.client.auth.get_session()
    assert session is not None
    session.expires_at = int(time.time()) - 1
    account.client.auth._save_session(session)
    renewed = accounts.refreshed(account)
    assert renewed.who.access_token != account.who.access_token
    assert renewed.who.expires_at > datetime.now(UTC)
    kept = accounts.store.read(account.key, time.time())
    assert kept == Tokens(renewed.who.access_token, renewed.who.refresh_token)


def test_a_session_that_supabase_ended_is_forgotten(accounts: Accounts, sign_in: SignIn) -> None:
    account = sign_in()
    other = accounts.resume(account.key)
    assert other is not None
    other.client.auth.sign_out({"scope": "global"})
    with pytest.raises(SignedOut):
        accounts.resume(account.key)
    assert accounts.resume(account.key) is None


def test_codes_for_an_address_are_capped(accounts: Accounts) -> None:
    address = new_address()
    for _ in range(CODES_AN_HOUR):
        accounts.store.note_attempt("code", address, time.time())
    with pytest.raises(Unavailable, match="wait an hour"):
        accounts.request_code(address.upper(), "a visit")


def test_codes_for_a_visit_are_capped_whatever_the_addresses(accounts: Accounts) -> None:
    for _ in range(CODES_A_VISIT):
        accounts.store.note_attempt("visit", "a visit", time.time())
    with pytest.raises(Unavailable, match="You asked for too many"):
        accounts.request_code(new_address(), "a visit")
    assert accounts.request_code(new_address(), "another visit")


def test_codes_for_everybody_are_capped_and_a_refusal_counts_for_nothing(accounts: Accounts) -> None:
    address, now = new_address(), time.time()
    for _ in range(CODES_A_MINUTE):
        accounts.store.note_attempt("everybody", "", now)
    held = replace(accounts, clock=lambda: now)
    with pytest.raises(Unavailable, match="in a minute"):
        held.request_code(address, "a visit")
    assert [accounts.store.count_attempts(kind, of, 0) for kind, of in (("code", address), ("visit", "a visit"))] == [
        0,
        0,
    ]
    assert replace(accounts, clock=lambda: now + 61).request_code(address, "a visit") == address


def test_a_mailed_link_signs_in_the_address_that_it_was_mailed_to_and_nobody_else(
    accounts: Accounts, world: HomeownerWorld
) -> None:
    attacker, victim = new_address(), new_address()
    accounts.request_code(attacker, "a visit")
    link = world.project.mails(attacker)[-1]["BodyHtml"].split("token_hash=")[1].split("&")[0]
    with pytest.raises(InvalidInput):
        accounts.confirm(link, "email", "")
    with pytest.raises(Refused, match="not for that address"):
        accounts.confirm(link, "email", victim)
    [sessions] = world.run_sql(
        "SELECT count(*) AS open FROM auth.sessions JOIN auth.users ON users.id = user_id WHERE email = %s", attacker
    )
    assert sessions["open"] == 0
    accounts.request_code(victim, "a visit")
    link = world.project.mails(victim)[-1]["BodyHtml"].split("token_hash=")[1].split("&")[0]
    assert accounts.confirm(link, "email", f" {victim.upper()} ").who.email == victim


def test_wrong_tries_end_until_a_new_code_is_asked_for(accounts: Accounts, world: HomeownerWorld) -> None:
    address = new_address()
    code = world.project.code(address)
    wrong = "000000" if code != "000000" else "111111"
    for _ in range(WRONG_TRIES):
        accounts.store.note_attempt("wrong", address, time.time())
    with pytest.raises(Refused, match="too often"):
        accounts.sign_in(address, code)
    accounts.store.clear_attempts("wrong", address)
    with pytest.raises(Refused, match="wrong"):
        accounts.sign_in(address, wrong)
    assert accounts.store.count_attempts("wrong", address, 0) == 1
    assert accounts.sign_in(address, f" {code[:3]} {code[3:]} ").who.email == address


@pytest.mark.parametrize(
    "email",
    [
        "",
        "owner",
        "@",
        "owner@",
        "@example.org",
        "owner@example",
        "a b@example.org",
        "a\nb@ex.org",
        "x" * 300 + "@x.yz",
    ],
)
def test_what_is_no_address_is_refused_before_any_mail(accounts: Accounts, email: str) -> None:
    with pytest.raises(InvalidInput):
        accounts.request_code(email, "a visit")


@pytest.mark.parametrize("code", ["", "abcdef", "١٢٣٤٥٦", "12345678901", "12 34 5x", "000000'--"])
def test_what_is_no_code_is_refused_without_counting_as_a_try(accounts: Accounts, code: str) -> None:
    address = new_address()
    with pytest.raises(InvalidInput):
        accounts.sign_in(address, code)
    assert accounts.store.count_attempts("wrong", address, 0) == 0


def test_while_supabase_is_down_a_visitor_stays_signed_in(accounts: Accounts, sign_in: SignIn) -> None:
    account = sign_in()
    down = replace(accounts, settings=accounts.settings.model_copy(update={"supabase_url": "http://127.0.0.1:1"}))
    with pytest.raises(Unavailable):
        down.resume(account.key)
    assert accounts.resume(account.key) is not None


def test_a_missing_key_is_named(accounts: Accounts) -> None:
    bare = replace(accounts, settings=accounts.settings.model_copy(update={"supabase_anon_key": SecretStr("")}))
    with pytest.raises(NotConfigured, match="SUPABASE_ANON_KEY"):
        bare.request_code(new_address(), "a visit")
