"""Mails, caps and secrets of the stand-in, which need its own database and mailbox."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.rows import TupleRow
from supabase_auth.errors import AuthApiError

from fleet.adapters import aws
from fleet.adapters.supabase import sessions as adapter
from fleet.errors import InvalidInput, Refused, Unavailable
from tests.supabase_project import SupabaseProject, new_address

pytestmark = pytest.mark.integration


@pytest.fixture
def database(supabase_server: SupabaseProject) -> Iterator[psycopg.Connection[TupleRow]]:
    with psycopg.connect(supabase_server.settings.require_database_url(), autocommit=True) as connection:
        yield connection


@pytest.fixture(autouse=True)
def _fresh_hour(database: psycopg.Connection[TupleRow]) -> None:
    database.execute("DELETE FROM auth.mail_requests")


def test_a_code_comes_by_mail_and_signs_in(supabase_server: SupabaseProject) -> None:
    email, client = new_address(), supabase_server.client()
    adapter.request_code(client, email)
    (mail,) = supabase_server.mails(email)
    assert mail["Source"] == supabase_server.settings.sender_email
    assert supabase_server.mailed_code(email) in mail["BodyHtml"]
    assert adapter.sign_in_with_code(client, email, supabase_server.mailed_code(email)).email == email


def test_the_first_mail_confirms_and_the_next_signs_in(
    supabase_server: SupabaseProject, database: psycopg.Connection[TupleRow]
) -> None:
    email, kinds = new_address(), []
    for _ in range(2):
        client = supabase_server.client()
        adapter.request_code(client, email)
        text = supabase_server.mails(email)[-1]["BodyText"]
        found = re.search(r"http://127\.0\.0\.1:8501/confirm\?token_hash=(\w+)&type=(\w+)", text)
        assert found
        kinds.append(found[2])
        assert adapter.sign_in_with_link(client, found[1], found[2]).email == email  # type: ignore[arg-type]
        database.execute("DELETE FROM auth.mail_requests")
    assert kinds == ["email", "magiclink"]


def test_code_and_link_of_one_mail_are_spent_together(supabase_server: SupabaseProject) -> None:
    email = new_address()
    adapter.request_code(supabase_server.client(), email)
    adapter.sign_in_with_code(supabase_server.client(), email, supabase_server.mailed_code(email))
    token_hash = re.findall(r"token_hash=(\w+)", supabase_server.mails(email)[-1]["BodyText"])[0]
    with pytest.raises(Refused):
        adapter.sign_in_with_link(supabase_server.client(), token_hash, "email")


def test_a_code_dies_after_ten_minutes(
    supabase_server: SupabaseProject, database: psycopg.Connection[TupleRow]
) -> None:
    email = new_address()
    code = supabase_server.code(email)
    age = "UPDATE auth.one_time_tokens SET created_at = created_at - %s::interval WHERE relates_to = %s"
    database.execute(age, ("601 seconds", email))
    with pytest.raises(Refused):
        adapter.sign_in_with_code(supabase_server.client(), email, code)
    database.execute(age, ("-10 seconds", email))
    assert adapter.sign_in_with_code(supabase_server.client(), email, code)


def test_the_fifth_wrong_try_ends_the_code(supabase_server: SupabaseProject) -> None:
    email = new_address()
    code = supabase_server.code(email)
    for step in range(1, 6):
        with pytest.raises(Refused):
            adapter.sign_in_with_code(supabase_server.client(), email, f"{(int(code) + step) % 10**6:06d}")
    with pytest.raises(Refused):
        adapter.sign_in_with_code(supabase_server.client(), email, code)


def test_tries_at_once_are_all_counted(supabase_server: SupabaseProject) -> None:
    email = new_address()
    code = supabase_server.code(email)

    def attempt(step: int) -> int:
        guess = f"{(int(code) + step) % 10**6:06d}"
        body = {"email": email, "token": guess, "type": "email"}
        return supabase_server.request("POST", "/auth/v1/verify", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, range(1, 9)))
    assert answers == [403] * 8
    with pytest.raises(Refused):
        adapter.sign_in_with_code(supabase_server.client(), email, code)


def test_a_code_is_spent_once_by_two_browsers_at_once(supabase_server: SupabaseProject) -> None:
    email = new_address()
    body = {"email": email, "token": supabase_server.code(email), "type": "email"}
    with ThreadPoolExecutor(6) as pool:
        send = supabase_server.request
        answers = [pool.submit(send, "POST", "/auth/v1/verify", json=body) for _ in range(6)]
        statuses = sorted(answer.result().status_code for answer in answers)
    assert statuses == [200, 403, 403, 403, 403, 403]


def test_a_new_code_ends_the_one_before(supabase_server: SupabaseProject) -> None:
    email = new_address()
    first, second = supabase_server.code(email), supabase_server.code(email)
    if first != second:
        with pytest.raises(Refused):
            adapter.sign_in_with_code(supabase_server.client(), email, first)
    assert adapter.sign_in_with_code(supabase_server.client(), email, second)


def test_one_mail_a_minute_goes_to_an_address(supabase_server: SupabaseProject) -> None:
    email, client = new_address(), supabase_server.client()
    adapter.request_code(client, email)
    with pytest.raises(AuthApiError) as error:
        client.auth.sign_in_with_otp({"email": email})
    assert (error.value.status, error.value.code) == (429, "over_email_send_rate_limit")
    with pytest.raises(Unavailable, match="wait a minute"):
        adapter.request_code(client, email)
    assert len(supabase_server.mails(email)) == 1


def test_two_requests_at_once_send_one_mail(supabase_server: SupabaseProject) -> None:
    email = new_address()
    with ThreadPoolExecutor(6) as pool:
        send = supabase_server.request
        answers = [pool.submit(send, "POST", "/auth/v1/otp", json={"email": email}) for _ in range(6)]
        statuses = sorted(answer.result().status_code for answer in answers)
    assert statuses == [200, 429, 429, 429, 429, 429]
    assert len(supabase_server.mails(email)) == 1


def test_ten_mails_an_hour_go_to_an_address(
    supabase_server: SupabaseProject, database: psycopg.Connection[TupleRow]
) -> None:
    email = new_address()
    database.execute(
        "INSERT INTO auth.mail_requests SELECT %s, now() - interval '2 minutes' FROM generate_series(1, 10)", (email,)
    )
    with pytest.raises(Unavailable):
        adapter.request_code(supabase_server.client(), email)
    assert supabase_server.mails(email) == []


@pytest.mark.parametrize("create_user", [True, False])
def test_nobody_learns_who_has_an_account(supabase_server: SupabaseProject, create_user: bool) -> None:
    known, unknown = new_address(), new_address()
    supabase_server.service_client().auth.admin.create_user({"email": known, "email_confirm": True})
    answers = [
        [
            supabase_server.request("POST", "/auth/v1/otp", json={"email": email, "create_user": create_user})
            for _ in range(2)
        ]
        for email in (known, unknown)
    ]
    told = [[(answer.status_code, answer.json()) for answer in both] for both in answers]
    assert told[0] == told[1]
    assert [status for status, _ in told[0]] == [200, 429]
    assert len(supabase_server.mails(known)) == 1
    assert len(supabase_server.mails(unknown)) == int(create_user)


def test_codes_and_tokens_are_stored_as_hashes_only(
    supabase_server: SupabaseProject, database: psycopg.Connection[TupleRow]
) -> None:
    email, client = new_address(), supabase_server.client()
    link = supabase_server.service_client().auth.admin.generate_link({"type": "magiclink", "email": email}).properties
    stored = database.execute("SELECT t::text FROM auth.one_time_tokens t WHERE relates_to = %s", (email,)).fetchall()
    assert len(stored) == 1
    assert link.hashed_token not in stored[0][0]
    assert link.email_otp not in re.split(r"[,()]", stored[0][0])
    session = adapter.sign_in_with_code(client, email, link.email_otp)
    tokens = "".join(row[0] for row in database.execute("SELECT t::text FROM auth.refresh_tokens t").fetchall())
    assert session.refresh_token not in tokens


def test_a_stolen_refresh_token_ends_the_session(
    supabase_server: SupabaseProject, database: psycopg.Connection[TupleRow]
) -> None:
    client = supabase_server.signed_in()
    stolen = adapter.current_session(client).refresh_token
    client.auth.refresh_session()
    database.execute("UPDATE auth.refresh_tokens SET updated_at = updated_at - interval '11 seconds' WHERE revoked")
    with pytest.raises(AuthApiError) as error:
        supabase_server.client().auth.refresh_session(stolen)
    assert (error.value.status, error.value.code) == (400, "refresh_token_already_used")
    with pytest.raises(AuthApiError) as error:
        client.auth.refresh_session()
    assert error.value.code == "refresh_token_not_found"


def test_two_tabs_that_refresh_at_once_both_stay_signed_in(supabase_server: SupabaseProject) -> None:
    token = adapter.current_session(supabase_server.signed_in()).refresh_token
    path, body = "/auth/v1/token?grant_type=refresh_token", {"refresh_token": token}
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(supabase_server.request, "POST", path, json=body) for _ in range(2)]
        refreshed = [answer.result().json()["refresh_token"] for answer in both]
    for each in refreshed:
        assert supabase_server.client().auth.refresh_session(each).session


@pytest.mark.parametrize(
    "address",
    ["", "ann", "ann@", "@example.org", "ann@example", "a b@example.org", "ann@example.org\r\nBcc: x@example.org",
     "ann@exämple.org", "a" * 65 + "@example.org", "ann@" + "a." * 130 + "org", "ann@example.org\x00"],
)  # fmt: skip
def test_what_is_no_address_gets_no_mail(supabase_server: SupabaseProject, address: str) -> None:
    answer = supabase_server.request("POST", "/auth/v1/otp", json={"email": address})
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed")
    if address:
        with pytest.raises(InvalidInput):
            adapter.request_code(supabase_server.client(), address)


def test_a_redirect_elsewhere_is_not_mailed(supabase_server: SupabaseProject) -> None:
    email = new_address()
    adapter.request_code(supabase_server.client(), email, redirect_to="https://evil.example/steal")
    assert "evil.example" not in supabase_server.mails(email)[-1]["BodyHtml"]


def test_nothing_is_counted_while_ses_is_away(
    supabase_server: SupabaseProject, database: psycopg.Connection[TupleRow]
) -> None:
    email = new_address()
    sender = supabase_server.settings.sender_email
    ses = aws.client(supabase_server.settings, "ses")
    ses.delete_identity(Identity=sender)
    try:
        answer = supabase_server.request("POST", "/auth/v1/otp", json={"email": email})
        assert (answer.status_code, answer.json()["code"]) == (500, "unexpected_failure")
    finally:
        ses.verify_email_identity(EmailAddress=sender)
    adapter.request_code(supabase_server.client(), email)
    assert len(supabase_server.mails(email)) == 1


def test_what_is_not_served_says_so(supabase_server: SupabaseProject) -> None:
    with pytest.raises(AuthApiError, match="does not serve this"):
        supabase_server.client().auth.sign_up({"email": new_address(), "password": "a long enough one"})
    with pytest.raises(AuthApiError, match="cannot set password"):
        supabase_server.service_client().auth.admin.create_user({"email": new_address(), "password": "x"})
    with pytest.raises(AuthApiError, match="cannot change email"):
        supabase_server.signed_in().auth.update_user({"email": new_address()})


def test_the_login_of_auth_reads_no_table_of_ours(supabase_server: SupabaseProject) -> None:
    keys = supabase_server.keys
    assert keys
    supabase_server.run_sql("CREATE TABLE IF NOT EXISTS private_to_owner (id int)")
    url = psycopg.conninfo.make_conninfo(
        supabase_server.settings.require_database_url(),
        user="supabase_auth_admin",
        password=keys.auth_admin_password,
    )
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT * FROM public.private_to_owner")
