"""Who sees what is PostgreSQL's decision, by the role and the claims of each request's token."""

import pytest
from postgrest.exceptions import APIError
from supabase import Client

from tests.supabase_project import SupabaseProject

pytestmark = pytest.mark.integration


@pytest.fixture
def ann(rest: SupabaseProject) -> Client:
    return rest.signed_in()


@pytest.fixture
def ben(rest: SupabaseProject) -> Client:
    return rest.signed_in()


def note(owner: Client, body: str) -> int:
    return int(owner.table("rest_notes").insert({"body": body}).execute().data[0]["id"])


def bodies(client: Client, relation: str = "rest_notes") -> list[str]:
    return sorted(row["body"] for row in client.table(relation).select("body").execute().data)


def test_each_sees_their_own_rows(ann: Client, ben: Client) -> None:
    note(ann, "of Ann")
    note(ben, "of Ben")
    assert (bodies(ann), bodies(ben)) == (["of Ann"], ["of Ben"])


def test_a_view_with_security_invoker_shows_no_more(ann: Client, ben: Client) -> None:
    note(ann, "of Ann")
    assert bodies(ben, "rest_own_notes") == []
    assert bodies(ann, "rest_own_notes") == ["of Ann"]


def test_a_visitor_sees_nothing_and_writes_nothing(rest: SupabaseProject, ann: Client) -> None:
    note(ann, "of Ann")
    visitor = rest.client()
    assert bodies(visitor) == []
    with pytest.raises(APIError) as error:
        visitor.table("rest_notes").insert({"body": "x"}).execute()
    assert error.value.code in {"42501", "23502"}


def test_nobody_changes_or_deletes_a_row_of_another(ann: Client, ben: Client) -> None:
    number = note(ann, "of Ann")
    assert ben.table("rest_notes").update({"body": "mine now"}).eq("id", number).execute().data == []
    assert ben.table("rest_notes").delete().eq("id", number).execute().data == []
    assert bodies(ann) == ["of Ann"]


def test_nobody_writes_in_the_name_of_another(ann: Client, ben: Client) -> None:
    number = note(ben, "of Ben")
    user = ann.auth.get_user()
    assert user
    with pytest.raises(APIError) as error:
        ben.table("rest_notes").insert({"owner": user.user.id, "body": "forged"}).execute()
    assert error.value.code == "42501"
    with pytest.raises(APIError) as error:
        ben.table("rest_notes").update({"owner": user.user.id}).eq("id", number).execute()
    assert error.value.code == "42501"
    assert bodies(ann) == []


def test_an_upsert_takes_no_row_over(ann: Client, ben: Client) -> None:
    number = note(ann, "of Ann")
    with pytest.raises(APIError) as error:
        ben.table("rest_notes").upsert({"id": number, "body": "mine now"}).execute()
    assert error.value.code == "42501"
    assert bodies(ann) == ["of Ann"]


def test_counting_tells_nothing_of_others(ann: Client, ben: Client) -> None:
    note(ann, "of Ann")
    assert ben.table("rest_notes").select("*", count="exact", head=True).execute().count == 0  # type: ignore[arg-type]


def test_the_service_key_sees_all(rest: SupabaseProject, ann: Client) -> None:
    note(ann, "seen by the service")
    assert "seen by the service" in bodies(rest.service_client())


def test_a_signed_out_client_is_a_visitor_again(ann: Client) -> None:
    note(ann, "of Ann")
    ann.auth.sign_out()
    assert bodies(ann) == []


def test_two_clients_of_one_process_do_not_share_a_session(rest: SupabaseProject, ann: Client) -> None:
    note(ann, "of Ann")
    visitor = rest.client()
    assert bodies(visitor) == []
    assert bodies(ann) == ["of Ann"]
