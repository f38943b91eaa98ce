"""Branches of the pages that a browser seldom meets: services that are down, nothing set up, odd addresses."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fleet.settings import Settings, variable_name
from streamlit_app import web_state
from streamlit_app.services.accounts import Account
from tests.homeowner_world import HomeownerWorld
from tests.supabase_project import new_address

pytestmark = pytest.mark.integration

NAVIGATION = Path(__file__).parent.parent.parent / "streamlit_app" / "navigation.py"
NOWHERE = "http://127.0.0.1:1"

Open = Callable[..., AppTest]
SignIn = Callable[..., Account]


@pytest.fixture
def open_page(web_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Runs the app, or one page of it, with the settings of the test, changed as asked."""

    def opened(page: str = "", query: dict[str, str] | None = None, account: object = None, **changes: str) -> AppTest:
        for name, text in (_environment(web_settings) | changes).items():
            monkeypatch.setenv(name, text)
        _forget_settings()
        script = f"from streamlit_app import visit\nfrom streamlit_app.views import {page}\nwith visit.told():\n"
        app = AppTest.from_string(script + f"    {page}.show()") if page else AppTest.from_file(NAVIGATION)
        for name, text in (query or {}).items():
            app.query_params[name] = text
        if account is not None:
            app.session_state["visit_account"] = account
        return app.run(timeout=30)

    yield opened
    _forget_settings()


def _environment(settings: Settings) -> dict[str, str]:
    values = {}
    for field in type(settings).model_fields:
        value = getattr(settings, field)
        text = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value or "")
        if text:
            values[variable_name(field)] = text
    return values


def _forget_settings() -> None:
    web_state.settings.cache_clear()
    web_state.session_store.cache_clear()


def _errors(app: AppTest) -> str:
    assert not app.exception, app.exception
    return " ".join(element.value for element in app.error).replace("\\", "")


def test_a_visitor_without_account_is_asked_to_sign_in(open_page: Open) -> None:
    app = open_page()
    assert app.text_input(key="sign_in_email") and _errors(app) == ""


@pytest.mark.parametrize("contact", ["help@maker.example", "https://maker.example/help", ""])
def test_the_maker_is_named_on_every_page_and_in_every_error(open_page: Open, sign_in: SignIn, contact: str) -> None:
    failing = open_page(FLEET_SUPPORT_CONTACT=contact, SUPABASE_URL=NOWHERE)
    failing.text_input(key="sign_in_email").set_value(new_address())
    failing.button(key="sign_in_send").click().run(timeout=30)
    assert ("If it stays so, ask" in _errors(failing)) == bool(contact)
    for app in (failing, open_page(account=sign_in(), FLEET_SUPPORT_CONTACT=contact)):
        questions = [each.value for each in app.caption if each.value.startswith("Questions?")]
        assert len(questions) == bool(contact) and all(contact in each for each in questions)


def test_an_account_without_batteries_learns_how_to_register_one(open_page: Open, sign_in: SignIn) -> None:
    app = open_page(account=sign_in())
    assert "No battery yet" in [found.value for found in app.subheader] and _errors(app) == ""


def test_signing_out_on_the_page_asks_to_sign_in_again(open_page: Open, sign_in: SignIn) -> None:
    app = open_page(account=sign_in())
    app = app.button(key="sign_out").click().run(timeout=30)
    assert app.text_input(key="sign_in_email") and _errors(app) == ""


def test_a_wrong_address_and_a_wrong_code_are_said_on_the_form(open_page: Open, world: HomeownerWorld) -> None:
    app = open_page()
    app.text_input(key="sign_in_email").set_value("nobody")
    app.button(key="sign_in_send").click().run(timeout=30)
    assert "not an e-mail address" in _errors(app)
    app.text_input(key="sign_in_email").set_value(new_address())
    app.button(key="sign_in_send").click().run(timeout=30)
    app.text_input(key="sign_in_digits").set_value("abc")
    app.button(key="sign_in_submit").click().run(timeout=30)
    assert "six digits" in _errors(app)


def test_while_supabase_is_down_the_page_says_so(open_page: Open) -> None:
    app = open_page(SUPABASE_URL=NOWHERE)
    app.text_input(key="sign_in_email").set_value(new_address())
    app.button(key="sign_in_send").click().run(timeout=30)
    assert "did not answer" in _errors(app) and "Traceback" not in _errors(app)


def test_an_app_that_is_not_set_up_says_so_without_naming_settings_to_visitors(open_page: Open) -> None:
    app = open_page(SUPABASE_ANON_KEY="")
    app.text_input(key="sign_in_email").set_value(new_address())
    app.button(key="sign_in_send").click().run(timeout=30)
    assert "not set up yet" in _errors(app) and "SUPABASE" not in _errors(app)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"token_hash": "x"},
        {"type": "email"},
        {"token_hash": "x", "type": "sms"},
        {"token_hash": "x" * 201, "type": "email"},
    ],
)
def test_an_incomplete_mailed_link_spends_nothing(open_page: Open, query: dict[str, str]) -> None:
    app = open_page("confirm", query)
    assert "not complete" in _errors(app) and not app.button


def test_a_mailed_link_that_is_over_is_refused_on_the_click(open_page: Open) -> None:
    app = open_page("confirm", {"token_hash": "0" * 56, "type": "email"})
    assert _errors(app) == ""
    app.text_input(key="confirm_email").set_value(new_address())
    app.button(key="confirm_sign_in").click().run(timeout=30)
    assert "wrong, used or older" in _errors(app)


def test_a_link_that_cannot_be_checked_now_is_no_bad_link(open_page: Open, world: HomeownerWorld) -> None:
    token = world.link(world.provision()).partition("token=")[2]
    app = open_page("register", {"token": token}, AWS_ACCESS_KEY_ID="LKIAUNKNOWNUNKNOWN00")
    assert "cannot be checked just now" in _errors(app) and "AWS" not in _errors(app)


def test_the_fleet_is_not_shown_to_a_homeowner(open_page: Open, sign_in: SignIn) -> None:
    app = open_page("fleet", account=sign_in())
    assert "for operators" in _errors(app) and not app.dataframe


def _operator(world: HomeownerWorld) -> str:
    email = new_address()
    world.project.code(email)  # makes the account
    world.make_operator(email)
    return email


def test_an_operator_sees_why_flip_did_not_take_a_battery(
    open_page: Open, sign_in: SignIn, world: HomeownerWorld
) -> None:
    operator, owner, name = sign_in(_operator(world)), sign_in(), world.provision().name
    world.run_sql(
        "INSERT INTO fleet.registrations (thing_name, owner_id, certificate_id, registered_by, link_id, "
        "commission_status, commission_message) VALUES (%s, %s, 'c', 'link', 'l', 'failed', 'Another home has it.')",
        name,
        owner.who.user_id,
    )
    app = open_page("fleet", account=operator)
    app.text_input(key="fleet_search").set_value(name).run(timeout=30)
    (row,) = app.dataframe[0].value.to_dict("records")
    assert (row["Battery"], row["Flip"], row["Why not"]) == (name, "failed", "Another home has it.")


def test_an_operator_sees_the_quarantine(open_page: Open, sign_in: SignIn, world: HomeownerWorld) -> None:
    email = _operator(world)
    world.run_sql(
        "INSERT INTO fleet.quarantine (message_id, reason, detail, thing_name, body) "
        "VALUES ('m-1', 'not_json', 'The body is no JSON.', 'field-1', '\\x00')"
    )
    app = open_page("fleet", account=sign_in(email))
    assert _errors(app) == ""
    assert any("not_json" in str(table.value.to_dict()) for table in app.dataframe)


def test_the_dispatches_are_not_shown_to_a_homeowner(open_page: Open, sign_in: SignIn) -> None:
    account = sign_in()
    for page in ("dispatches", "dispatch"):
        app = open_page(page, account=account)
        assert "for operators" in _errors(app) and not app.dataframe
