"""What `fleet doctor` makes of a Prefect server: who we are to it, and who else it lets in."""

import json
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from cli import doctor
from fleet.errors import FleetError, Refused, Unavailable
from fleet.settings import Settings
from tests.http_receiver import QuietHandler, serving


class PrefectLike(QuietHandler):
    """Answers as a server with these words, or as Cloud with this key; `open_to_all` allows every origin."""

    words, key, open_to_all = "", "", False

    def do_GET(self) -> None:  # noqa: N802 - the library calls it so
        given = self.headers.get("Authorization", "")
        wanted = "Bearer pnu_good" if self.key else "Basic YWRtaW46cGFzcw==" if self.words else given
        self.send_response(
            200 if given == wanted and self.path.startswith("/api/") else 401 if given != wanted else 404
        )
        if self.open_to_all:
            self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(json.dumps("3.8.8").encode())


@pytest.fixture
def served() -> Iterator[tuple[type[PrefectLike], str]]:
    kind = type("Served", (PrefectLike,), {})
    with serving(kind) as address:
        yield kind, f"{address}/api"


def look(api: str, **settings: str) -> str:
    secrets = {name: SecretStr(value) for name, value in settings.items()}
    return doctor._prefect(Settings(prefect_api_url=api, **secrets))  # type: ignore[arg-type]


def test_a_server_that_lets_nobody_else_in_is_fine(served: tuple[type[PrefectLike], str]) -> None:
    assert look(served[1]) == f"server 3.8.8 at {served[1]}"


def test_one_that_lets_any_page_in_is_told_with_what_to_set(served: tuple[type[PrefectLike], str]) -> None:
    kind, api = served
    kind.open_to_all = True
    with pytest.raises(Refused, match="PREFECT_SERVER_API_AUTH_STRING"):
        look(api)
    kind.words = "admin:pass"
    assert "3.8.8" in look(api, prefect_api_auth_string="admin:pass")


@pytest.mark.parametrize("given", [{}, {"prefect_api_auth_string": "admin:wrong"}])
def test_words_that_are_missing_or_wrong_name_their_variable(
    served: tuple[type[PrefectLike], str], given: dict[str, str]
) -> None:
    served[0].words = "admin:pass"
    with pytest.raises(Refused, match="PREFECT_API_AUTH_STRING") as refused:
        look(served[1], **given)
    assert "wrong" not in str(refused.value)


def test_cloud_is_asked_with_the_key(served: tuple[type[PrefectLike], str]) -> None:
    kind, api = served
    kind.key = "pnu_good"
    assert look(api, prefect_api_key="pnu_good") == f"workspace at {api}"
    with pytest.raises(Refused, match="PREFECT_API_KEY"):
        look(api, prefect_api_key="pnu_other")


def test_an_address_that_is_no_api_and_one_where_nobody_is_are_told(served: tuple[type[PrefectLike], str]) -> None:
    with pytest.raises(Unavailable, match="ends with /api"):
        look(served[1].removesuffix("/api") + "/ui")
    with pytest.raises(FleetError, match="does not answer"):
        look("http://127.0.0.1:1/api")
