"""Signing in by code, staying signed in, and the caps, before the Supabase stand-in."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from fleet.adapters.supabase.sessions import SignedOut
from fleet.errors import InvalidInput, NotConfigured, Refused, Unavailable
from streamlit_app.services.accounts import Account, Accounts
from streamlit_app.services.sign_in_caps import (
    CODES_OF_A_CLIENT,
    Cap,
    Visitor,
    begun_anew_by_a_code,
    caps_on_codes,
    caps_on_tries,
    client_of,
)
from streamlit_app.session_store import Tokens
from tests.homeowner_world import HomeownerWorld
from tests.supabase_project import new_address

pytestmark = pytest.mark.integration

ANN, MALLORY = Visitor("Ann's visit", "8.8.4.4"), Visitor("Mallory's visit", "1.1.1.1")
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


def spend(accounts: Accounts, caps: tuple[Cap, ...], kind: str, now: float, but: int = 0) -> None:
    """As many attempts as that cap allows, less `but`, as if they had been made."""
    (cap,) = [cap for cap in caps if cap.kind == kind]
    for _ in range(cap.attempts - but):
        accounts.store.note_attempt(cap.kind, cap.subject, now)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("code", "You asked for too many"),
        ("visit", "You asked for too many"),
        ("client", "You asked for too many"),
        ("address", "sent to this address"),
        ("everybody", "in a minute"),
    ],
)
def test_codes_are_capped_and_a_refusal_counts_for_nothing(accounts: Accounts, kind: str, sentence: str) -> None:
    address, now = new_address(), time.time()
    caps = caps_on_codes(address, ANN)
    spend(accounts, caps, kind, now)
    held = replace(accounts, clock=lambda: now)
    with pytest.raises(Unavailable, match=sentence):
        held.request_code(address.upper(), ANN)
    counted = {cap.kind: accounts.store.count_attempts(cap.kind, cap.subject, 0) for cap in caps}
    assert counted == {cap.kind: cap.attempts if cap.kind == kind else 0 for cap in caps}
    (period_s,) = [cap.period_s for cap in caps if cap.kind == kind]
    assert replace(accounts, clock=lambda: now + period_s + 1).request_code(address, ANN) == address


def test_one_client_locks_nobody_out_however_many_visits_it_makes_and_addresses_it_names(accounts: Accounts) -> None:
    victim, now = new_address(), time.time()
    held = replace(accounts, clock=lambda: now)

    def ask(email: str, visitor: Visitor) -> bool:
        """Whether the caps let it pass: all of them are asked, and no mail is sent."""
        caps = caps_on_codes(email, visitor)
        try:
            with held._counted(caps, now, Unavailable):
                return True
        except Unavailable:
            return False

    sent = sum(ask(victim, Visitor(f"visit {number}", MALLORY.client)) for number in range(100))
    sent += sum(ask(new_address(), Visitor(f"visit {number}", MALLORY.client)) for number in range(100))
    assert sent == CODES_OF_A_CLIENT, "of 200"
    assert ask(victim, ANN) and ask(new_address(), ANN)


def test_one_client_that_guesses_leaves_the_owner_their_tries(accounts: Accounts, world: HomeownerWorld) -> None:
    address = new_address()
    code = world.project.code(address)
    spend(accounts, caps_on_tries(address, MALLORY), "wrong", time.time())
    with pytest.raises(Refused, match="too often"):
        accounts.sign_in(address, code, MALLORY)
    assert accounts.sign_in(address, code, ANN).who.email == address


def test_one_client_guesses_no_more_than_its_tries_whatever_the_addresses(accounts: Accounts) -> None:
    address = new_address()
    spend(accounts, caps_on_tries("somebody@example.org", MALLORY), "wrong_client", time.time())
    with pytest.raises(Refused, match="wait an hour"):
        accounts.sign_in(address, "123456", Visitor("another visit", MALLORY.client))
    accounts.request_code(address, ANN)
    with pytest.raises(Refused, match="wait an hour"):
        accounts.sign_in(address, "123456", MALLORY)


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("8.8.4.4", "8.8.4.4"),
        ("2a00:1450:4001:82b::200e", "2a00:1450:4001:82b::/64"),
        ("2a00:1450:4001:82b:ffff::1", "2a00:1450:4001:82b::/64"),
        ("::ffff:8.8.4.4", "8.8.4.4"),
        ("127.0.0.1", ""), ("172.18.0.1", ""), ("10.0.0.8", ""), ("fe80::1", ""), ("::1", ""), (None, ""), ("x", ""),
    ],
)  # fmt: skip
def test_a_client_is_the_network_that_the_internet_knows(address: str | None, client: str) -> None:
    assert client_of(address) == client


def test_a_mailed_link_signs_in_the_address_that_it_was_mailed_to_and_nobody_else(
    accounts: Accounts, world: HomeownerWorld
) -> None:
    attacker, victim = new_address(), new_address()
    accounts.request_code(attacker, ANN)
    link = world.project.mails(attacker)[-1]["BodyHtml"].split("token_hash=")[1].split("&")[0]
    with pytest.raises(InvalidInput):
        accounts.confirm(link, "email", "")
    with pytest.raises(Refused, match="not for that address"):
        accounts.confirm(link, "email", victim)
    [sessions] = world.run_sql(
        "SELECT count(*) AS open FROM auth.sessions JOIN auth.users ON users.id = user_id WHERE email = %s", attacker
    )
    assert sessions["open"] == 0
    accounts.request_code(victim, ANN)
    link = world.project.mails(victim)[-1]["BodyHtml"].split("token_hash=")[1].split("&")[0]
    assert accounts.confirm(link, "email", f" {victim.upper()} ").who.email == victim


def test_wrong_tries_end_until_a_new_code_is_asked_for(accounts: Accounts, world: HomeownerWorld) -> None:
    address = new_address()
    code = world.project.code(address)
    wrong = "000000" if code != "000000" else "111111"
    caps = caps_on_tries(address, ANN)
    for kind in ("wrong", "guessed"):
        spend(accounts, caps, kind, time.time())
        with pytest.raises(Refused, match="too often"):
            accounts.sign_in(address, code, ANN)
        for cap in begun_anew_by_a_code(address, ANN):
            accounts.store.clear_attempts(cap.kind, cap.subject)
    with pytest.raises(Refused, match="wrong"):
        accounts.sign_in(address, wrong, ANN)
    assert [accounts.store.count_attempts(cap.kind, cap.subject, 0) for cap in caps] == [1, 1, 1]
    assert accounts.sign_in(address, f" {code[:3]} {code[3:]} ", ANN).who.email == address
    assert [accounts.store.count_attempts(cap.kind, cap.subject, 0) for cap in caps] == [1, 1, 1], "the wrong one stays"


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
        accounts.request_code(email, ANN)


@pytest.mark.parametrize("code", ["", "abcdef", "١٢٣٤٥٦", "12345678901", "12 34 5x", "000000'--"])
def test_what_is_no_code_is_refused_without_counting_as_a_try(accounts: Accounts, code: str) -> None:
    address = new_address()
    with pytest.raises(InvalidInput):
        accounts.sign_in(address, code, ANN)
    assert [accounts.store.count_attempts(cap.kind, cap.subject, 0) for cap in caps_on_tries(address, ANN)] == [0] * 3


def test_while_supabase_is_down_a_visitor_stays_signed_in(accounts: Accounts, sign_in: SignIn) -> None:
    account = sign_in()
    down = replace(accounts, settings=accounts.settings.model_copy(update={"supabase_url": "http://127.0.0.1:1"}))
    with pytest.raises(Unavailable):
        down.resume(account.key)
    assert accounts.resume(account.key) is not None


def test_a_missing_key_is_named(accounts: Accounts) -> None:
    bare = replace(accounts, settings=accounts.settings.model_copy(update={"supabase_anon_key": SecretStr("")}))
    with pytest.raises(NotConfigured, match="SUPABASE_ANON_KEY"):
        bare.request_code(new_address(), ANN)
