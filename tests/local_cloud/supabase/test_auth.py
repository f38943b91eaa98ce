"""What supabase-py's Auth client relies on; the same tests hold for a real project."""

import time

import pytest
from supabase_auth.errors import AuthApiError

from fleet.adapters.supabase import sessions as adapter
from tests.supabase_project import SupabaseProject, new_address

pytestmark = pytest.mark.integration


def refused(error: pytest.ExceptionInfo[AuthApiError]) -> tuple[int, str | None]:
    return error.value.status, error.value.code


def test_a_code_signs_in_the_address_it_was_made_for(supabase_project: SupabaseProject) -> None:
    email, client = new_address(), supabase_project.client()
    answer = client.auth.verify_otp({"email": email, "token": supabase_project.code(email), "type": "email"})
    assert answer.user and answer.session
    assert (answer.user.email, answer.user.aud, answer.user.role) == (email, "authenticated", "authenticated")
    assert answer.user.email_confirmed_at is not None
    assert abs(answer.session.expires_in - 3600) <= 1


def test_an_address_is_the_same_in_capitals(supabase_project: SupabaseProject) -> None:
    email, client = new_address(), supabase_project.client()
    code = supabase_project.code(email)
    answer = client.auth.verify_otp({"email": email.upper(), "token": code, "type": "email"})
    assert answer.user and answer.user.email == email


def test_a_link_signs_in_by_its_hash(supabase_project: SupabaseProject) -> None:
    link = supabase_project.service_client().auth.admin.generate_link({"type": "magiclink", "email": new_address()})
    client = supabase_project.client()
    answer = client.auth.verify_otp({"token_hash": link.properties.hashed_token, "type": "email"})
    assert answer.session


def test_a_wrong_code_is_refused_and_the_right_one_still_works(supabase_project: SupabaseProject) -> None:
    email, client = new_address(), supabase_project.client()
    code = supabase_project.code(email)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    with pytest.raises(AuthApiError) as error:
        client.auth.verify_otp({"email": email, "token": wrong, "type": "email"})
    assert refused(error) == (403, "otp_expired")
    assert client.auth.verify_otp({"email": email, "token": code, "type": "email"}).session


def test_a_code_works_once(supabase_project: SupabaseProject) -> None:
    email = new_address()
    code = supabase_project.code(email)
    assert supabase_project.client().auth.verify_otp({"email": email, "token": code, "type": "email"}).session
    with pytest.raises(AuthApiError) as error:
        supabase_project.client().auth.verify_otp({"email": email, "token": code, "type": "email"})
    assert refused(error) == (403, "otp_expired")


def test_a_code_of_one_address_does_not_open_another(supabase_project: SupabaseProject) -> None:
    mine, theirs = new_address(), new_address()
    code, _ = supabase_project.code(mine), supabase_project.code(theirs)
    with pytest.raises(AuthApiError) as error:
        supabase_project.client().auth.verify_otp({"email": theirs, "token": code, "type": "email"})
    assert refused(error) == (403, "otp_expired")


def test_opening_a_link_spends_nothing(supabase_project: SupabaseProject) -> None:
    link = supabase_project.service_client().auth.admin.generate_link({"type": "magiclink", "email": new_address()})
    token_hash = link.properties.hashed_token
    if supabase_project.keys is None:
        pytest.skip("a real project spends a link at GET /verify; our mails do not link there")
    opened = supabase_project.request("GET", "/auth/v1/verify", params={"token": token_hash, "type": "magiclink"})
    assert opened.status_code == 405
    assert supabase_project.client().auth.verify_otp({"token_hash": token_hash, "type": "email"}).session


def test_refreshing_gives_new_tokens_for_the_same_session(supabase_project: SupabaseProject) -> None:
    client = supabase_project.signed_in()
    before, session_id = client.auth.get_session(), claims(client)["session_id"]
    after = client.auth.refresh_session().session
    assert before and after
    assert after.refresh_token != before.refresh_token
    assert claims(client)["session_id"] == session_id


def test_a_visitor_stays_signed_in_over_a_reload(supabase_project: SupabaseProject) -> None:
    session = supabase_project.signed_in().auth.get_session()
    assert session
    reloaded = supabase_project.client()
    answer = reloaded.auth.set_session(session.access_token, session.refresh_token)
    assert answer.user and answer.user.id == session.user.id


def test_signing_out_ends_the_session_and_no_other(supabase_project: SupabaseProject) -> None:
    email = new_address()
    phone, laptop = supabase_project.signed_in(email), supabase_project.signed_in(email)
    session = phone.auth.get_session()
    assert session
    phone.auth.sign_out({"scope": "local"})
    with pytest.raises(AuthApiError) as error:
        supabase_project.client().auth.set_session(session.access_token, session.refresh_token)
    assert refused(error) == (403, "session_not_found")
    assert laptop.auth.get_user()


def test_signing_out_everywhere_ends_all_sessions(supabase_project: SupabaseProject) -> None:
    email = new_address()
    phone, laptop = supabase_project.signed_in(email), supabase_project.signed_in(email)
    phone.auth.sign_out()
    with pytest.raises(AuthApiError) as error:
        laptop.auth.get_user()
    assert refused(error) == (403, "session_not_found")


def test_an_unknown_refresh_token_opens_nothing(supabase_project: SupabaseProject) -> None:
    with pytest.raises(AuthApiError) as error:
        supabase_project.client().auth.refresh_session("no-such-token")
    assert refused(error) == (400, "refresh_token_not_found")


def test_the_access_token_carries_supabases_claims(supabase_project: SupabaseProject) -> None:
    client = supabase_project.signed_in()
    user = client.auth.get_user()
    found = claims(client)
    assert user and found["sub"] == user.user.id
    assert (found["role"], found["aud"], found["aal"]) == ("authenticated", "authenticated", "aal1")
    assert found["iss"] == f"{supabase_project.settings.supabase_url}/auth/v1"
    assert found["amr"][0]["method"] == "otp"
    assert 3500 < found["exp"] - time.time() <= 3600


def test_a_user_changes_their_own_metadata_only(supabase_project: SupabaseProject) -> None:
    client = supabase_project.signed_in()
    answer = client.auth.update_user({"data": {"name": "Ann", "role": "operator"}})
    assert answer.user.user_metadata["name"] == "Ann"
    client.auth.refresh_session()
    assert "role" not in claims(client)["app_metadata"]


def test_an_administrator_makes_an_operator(supabase_project: SupabaseProject) -> None:
    admin, email = supabase_project.service_client().auth.admin, new_address()
    made = admin.create_user({"email": email, "email_confirm": True, "app_metadata": {"role": "operator"}})
    assert made.user.app_metadata["role"] == "operator"
    client = supabase_project.signed_in(email)
    assert adapter.current_session(client).app_role == "operator"
    admin.update_user_by_id(made.user.id, {"app_metadata": {"role": "homeowner"}})
    client.auth.refresh_session()
    assert adapter.current_session(client).app_role == "homeowner"
    assert made.user.id in {user.id for user in admin.list_users(per_page=1000)}
    admin.delete_user(made.user.id)
    with pytest.raises(AuthApiError) as error:
        admin.get_user_by_id(made.user.id)
    assert refused(error) == (404, "user_not_found")


def test_an_address_has_one_account(supabase_project: SupabaseProject) -> None:
    admin, email = supabase_project.service_client().auth.admin, new_address()
    admin.create_user({"email": email})
    with pytest.raises(AuthApiError) as error:
        admin.create_user({"email": email})
    assert refused(error) == (422, "email_exists")


@pytest.mark.parametrize("who", ["visitor", "homeowner"])
def test_only_the_service_key_administers(supabase_project: SupabaseProject, who: str) -> None:
    client = supabase_project.client() if who == "visitor" else supabase_project.signed_in()
    session = client.auth.get_session()
    if session:
        client.auth.admin._headers["Authorization"] = f"Bearer {session.access_token}"
    with pytest.raises(AuthApiError) as error:
        client.auth.admin.list_users()
    assert refused(error) in {(403, "not_admin"), (401, "not_admin")}


def claims(client: object) -> dict[str, object]:
    return dict(client.auth.get_claims()["claims"])  # type: ignore[attr-defined]
