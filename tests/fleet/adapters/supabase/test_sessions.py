"""Sessions and errors as the app sees them: by code, in one sentence, without a token in it."""

import socket
import ssl

import httpx
import pytest
from postgrest.exceptions import APIError
from pydantic import SecretStr
from supabase_auth.errors import AuthApiError, AuthRetryableError, AuthUnknownError

from fleet.adapters.supabase import sessions as adapter
from fleet.errors import Conflict, FleetError, InvalidInput, NotConfigured, NotFound, Refused, Unavailable
from fleet.settings import Settings
from tests.supabase_project import SupabaseProject, new_address


def test_a_missing_address_or_key_is_named() -> None:
    with pytest.raises(NotConfigured, match="SUPABASE_URL is not set"):
        adapter.anon_client(Settings(supabase_url="", supabase_anon_key=SecretStr("k")))
    with pytest.raises(NotConfigured, match="SUPABASE_ANON_KEY is not set"):
        adapter.anon_client(Settings(supabase_url="http://127.0.0.1:1", supabase_anon_key=SecretStr("")))
    with pytest.raises(NotConfigured, match="no http address"):
        adapter.anon_client(Settings(supabase_url="ftp://x", supabase_anon_key=SecretStr("k")))


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("otp_expired", 403, Refused),
        ("over_email_send_rate_limit", 429, Unavailable),
        ("over_request_rate_limit", 429, Unavailable),
        ("validation_failed", 400, InvalidInput),
        ("bad_jwt", 403, adapter.SignedOut),
        ("session_not_found", 403, adapter.SignedOut),
        ("refresh_token_already_used", 400, adapter.SignedOut),
        ("email_exists", 422, Conflict),
        ("something_new", 418, Refused),
        ("unexpected_failure", 500, Unavailable),
        (None, 400, Refused),
    ],
)
def test_an_auth_error_is_told_by_its_code(code: str | None, status: int, kind: type[FleetError]) -> None:
    with pytest.raises(FleetError) as raised, adapter.translated("checking the code"):
        raise AuthApiError("words that may change", status, code)  # type: ignore[arg-type]
    assert type(raised.value) is kind
    assert "words that may change" not in str(raised.value)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("42501", Refused),
        ("23505", Conflict),
        ("23514", InvalidInput),
        ("22P02", InvalidInput),
        ("PGRST116", NotFound),
        ("PGRST301", adapter.SignedOut),
        ("PGRST303", adapter.SignedOut),
        ("PT410", Refused),
        ("57014", Unavailable),
        ("08006", Unavailable),
        ("502", Unavailable),
        ("404", Refused),
        (None, Refused),
    ],
)
def test_a_rest_error_is_told_by_its_code(code: str | None, kind: type[FleetError]) -> None:
    with pytest.raises(FleetError) as raised, adapter.translated("reading the batteries"):
        raise APIError({"code": code, "message": "relation internals" if code != "PT410" else "The link is used."})
    assert type(raised.value) is kind
    assert ("The link is used." in str(raised.value)) == (code == "PT410")
    assert "internals" not in str(raised.value)


@pytest.mark.parametrize(
    "error",
    [
        AuthRetryableError("x", 0),
        AuthRetryableError("x", 503),
        AuthUnknownError("<html>", ValueError()),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
    ],
)
def test_silence_and_foreign_answers_are_worth_another_try(error: Exception) -> None:
    with pytest.raises(Unavailable), adapter.translated("reading the batteries"):
        raise error


def test_a_supabase_that_is_away_is_unavailable() -> None:
    with socket.socket() as reserved:  # bound and not listening: a connection is refused
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        client = adapter.anon_client(Settings(supabase_url=url, supabase_anon_key=SecretStr("k")))
        with pytest.raises(Unavailable):
            adapter.request_code(client, "ann@example.org")
        with pytest.raises(Unavailable), adapter.translated("reading"):
            client.table("t").insert({"a": 1}).execute()


def test_for_all_visitors_the_certificates_that_are_trusted_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read, create = [], ssl.create_default_context
    adapter._trusted.cache_clear()
    monkeypatch.setattr(
        ssl, "create_default_context", lambda *args, **named: read.append(args) or create(*args, **named)
    )
    for _ in range(3):
        adapter.anon_client(Settings(supabase_url="https://127.0.0.1:9", supabase_anon_key=SecretStr("key")))
    assert len(read) == 1


def test_nobody_is_signed_in_at_first() -> None:
    client = adapter.anon_client(Settings(supabase_url="http://127.0.0.1:1", supabase_anon_key=SecretStr("k")))
    with pytest.raises(adapter.SignedOut):
        adapter.current_session(client)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.e30", "äöü.x.y", "\x00.\x00.\x00"])
def test_tokens_that_somebody_edited_mean_signed_out(token: str) -> None:
    settings = Settings(supabase_url="http://127.0.0.1:1", supabase_anon_key=SecretStr("k"))
    with pytest.raises((adapter.SignedOut, Unavailable)):
        adapter.resume(settings, token, "")


def test_no_token_shows_in_a_log() -> None:
    from datetime import UTC, datetime

    signed_in = adapter.SignedIn("u", "a@example.org", "", "secret-access", "secret-refresh", datetime.now(UTC))
    assert "secret" not in repr(signed_in)


@pytest.mark.integration
def test_a_visitor_comes_back_after_a_reload(supabase_project: SupabaseProject) -> None:
    before = adapter.current_session(supabase_project.signed_in())
    client, after = adapter.resume(supabase_project.settings, before.access_token, before.refresh_token)
    assert (after.user_id, after.email) == (before.user_id, before.email)
    assert adapter.current_session(client).user_id == before.user_id


@pytest.mark.integration
def test_signing_out_twice_does_no_harm(supabase_project: SupabaseProject) -> None:
    client = supabase_project.signed_in()
    tokens = adapter.current_session(client)
    adapter.sign_out(client)
    adapter.sign_out(client)
    with pytest.raises(adapter.SignedOut):
        adapter.current_session(client)
    with pytest.raises(adapter.SignedOut):
        adapter.resume(supabase_project.settings, tokens.access_token, tokens.refresh_token)


@pytest.mark.integration
def test_a_wrong_code_is_one_sentence(supabase_project: SupabaseProject) -> None:
    with pytest.raises(Refused, match="wrong, used or older than ten minutes"):
        adapter.sign_in_with_code(supabase_project.client(), new_address(), "000000")
