"""A homeowner registers a battery, in a real browser."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from local_cloud.flip.steering import Steering
from tests.e2e.conftest import PHONE
from tests.e2e.visitor import Visitor
from tests.homeowner_world import HomeownerWorld
from tests.supabase_project import new_address

pytestmark = pytest.mark.e2e

Visit = Callable[..., Visitor]


@pytest.mark.parametrize("size", [(1100, 1000), PHONE], ids=["desktop", "phone"])
def test_a_homeowner_registers_a_battery_and_joins_a_program(
    world: HomeownerWorld, visit: Visit, size: tuple[int, int]
) -> None:
    folder, homeowner, email = world.provision(), visit(size), new_address()
    homeowner.open(world.link(folder))
    homeowner.sees("is genuine")
    homeowner.shot("1-verified")
    homeowner.sign_in(email)
    homeowner.sees("Where is it installed?")  # the link survived signing in
    homeowner.enter_address()
    homeowner.shot("2-address")
    homeowner.press("Save the address")
    homeowner.sees("It is installed at 12 Sunny Street")
    expect(homeowner.page.get_by_label("Product")).to_have_value("Home 13")  # filled in from the record
    homeowner.shot("3-battery")
    homeowner.press("Register this battery")
    homeowner.sees("Setting up your battery with Flip")
    assert world.work_off() == 1
    homeowner.sees("Flip knows your battery.")
    homeowner.shot("4-registered")

    homeowner.page.get_by_text("See the programs and apply").click()
    homeowner.unfold("Terms, questions and applying")
    homeowner.sees("We may discharge your battery")
    homeowner.page.get_by_role("radiogroup", name="Do you own your home?").get_by_text("Yes", exact=True).click()
    homeowner.fill("Size of your solar system, kW", "6.5")
    homeowner.fill("Meter number", "M-1234")
    homeowner.page.get_by_text("I have read the terms and agree to them.").click()
    homeowner.shot("5-application")
    homeowner.press("Apply")
    homeowner.sees("Applying for the program")
    assert world.work_off() == 1
    homeowner.sees("Your programs")
    homeowner.sees("Active")
    homeowner.shot("6-enrolled")
    homeowner.press("Leave the program")
    homeowner.sees("Leaving the program")
    assert world.work_off() == 1
    homeowner.sees("Left")
    assert not homeowner.is_wider_than_its_screen()


def test_a_reload_keeps_the_visitor_signed_in_and_the_link(world: HomeownerWorld, visit: Visit) -> None:
    homeowner, email = visit(), new_address()
    homeowner.open(world.link(world.provision()))
    homeowner.sign_in(email)
    homeowner.page.reload()
    homeowner.sees("Signed in as")
    homeowner.sees("Where is it installed?")
    [cookie] = [found for found in homeowner.context.cookies() if found["name"] == "fleet_session"]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    assert "fleet_session" not in homeowner.page.evaluate("document.cookie")


def test_signing_out_ends_every_tab_and_a_reload_does_not_bring_it_back(world: HomeownerWorld, visit: Visit) -> None:
    homeowner, email = visit(), new_address()
    homeowner.open("/")
    homeowner.sign_in(email)
    cookie = homeowner.context.cookies()
    other_tab = homeowner.context.new_page()
    other_tab.goto(world.settings.base_url + "/")
    expect(other_tab.get_by_text("Signed in as")).to_be_visible()
    homeowner.press("Sign out")
    homeowner.sees("Send the code")
    other_tab.goto(world.settings.base_url + "/site")
    expect(other_tab.get_by_role("button", name="Send the code")).to_be_visible()
    homeowner.context.add_cookies([dict(kept) for kept in cookie])  # type: ignore[list-item]
    homeowner.page.reload()
    homeowner.sees("Send the code")


def test_a_wrong_code_is_refused_and_the_right_one_still_works(world: HomeownerWorld, visit: Visit) -> None:
    homeowner, email = visit(), new_address()
    homeowner.open(world.link(world.provision()))
    homeowner.ask_for_code(email)
    right = world.project.mailed_code(email)
    homeowner.enter_code("000000" if right != "000000" else "111111")
    homeowner.sees("This code is wrong")
    homeowner.enter_code(right)
    homeowner.sees("Where is it installed?")


def test_a_mailed_link_signs_in_on_a_click_and_not_on_opening_it(world: HomeownerWorld, visit: Visit) -> None:
    homeowner, email = visit(), new_address()
    homeowner.open("/")
    homeowner.ask_for_code(email)
    token_hash = world.project.mails(email)[-1]["BodyHtml"].split("token_hash=")[1].split("&")[0]
    path = f"/confirm?token_hash={token_hash}&type=email"
    scanner = visit()
    scanner.open(path)
    scanner.sees("You asked to sign in")
    homeowner.open(path)
    homeowner.fill("Your e-mail address", email)
    homeowner.press("Sign in on this device")
    homeowner.sees("Signed in as")
    homeowner.sees("No battery yet")
    scanner.fill("Your e-mail address", email)
    scanner.press("Sign in on this device")
    scanner.sees("This code is wrong, used or older")


def test_a_mailed_link_of_somebody_else_signs_nobody_in(world: HomeownerWorld, visit: Visit) -> None:
    attacker, victim, email = visit(), visit(), new_address()
    attacker.open("/")
    attacker.ask_for_code(email)
    token_hash = world.project.mails(email)[-1]["BodyHtml"].split("token_hash=")[1].split("&")[0]
    victim.open(f"/confirm?token_hash={token_hash}&type=email")
    victim.fill("Your e-mail address", new_address())
    victim.press("Sign in on this device")
    victim.sees("This link is not for that address")
    victim.open("/")
    victim.sees("Sign in to see your batteries")


def _tampered(world: HomeownerWorld) -> str:
    head, payload, signature = world.link(world.provision()).rsplit(".", 2)
    return f"{head}.{payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


def _expired(world: HomeownerWorld) -> str:
    return world.link(world.provision(), made_at=datetime.now(UTC) - timedelta(minutes=25))


def _from_the_future(world: HomeownerWorld) -> str:
    return world.link(world.provision(), made_at=datetime.now(UTC) + timedelta(minutes=25))


def _signed_by_another(world: HomeownerWorld) -> str:
    return world.link(world.provision(), key=world.provision() / "private.key")


def _for_another_site(world: HomeownerWorld) -> str:
    link = world.link(world.provision(), base_url="https://elsewhere.example.com")
    return world.settings.base_url + "/register" + link.partition("/register")[2]


def _of_a_certificate_out_of_force(world: HomeownerWorld) -> str:
    folder = world.provision()
    world.deactivate(folder)
    return world.link(folder)


def _without_a_token(world: HomeownerWorld) -> str:
    return "/register"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (_tampered, "not made by one of our batteries"),
        (_signed_by_another, "not made by one of our batteries"),
        (_expired, "too old"),
        (_from_the_future, "clock is fast"),
        (_for_another_site, "for another website"),
        (_of_a_certificate_out_of_force, "not in service"),
        (_without_a_token, "not a registration link"),
    ],
)
def test_a_bad_link_is_refused_in_one_sentence(
    world: HomeownerWorld, visit: Visit, make: Callable[[HomeownerWorld], str], sentence: str
) -> None:
    visitor = visit()
    visitor.open(make(world))
    visitor.sees(sentence)
    visitor.never_sees("Sign in to make")
    visitor.never_sees("Traceback")


def test_a_link_makes_a_battery_nobody_elses(world: HomeownerWorld, visit: Visit) -> None:
    folder = world.provision()
    link = world.link(folder)
    owner, stranger = visit(), visit()
    owner.register(link, new_address())
    for foreign in (link, world.link(folder)):  # replayed, and a fresh one of the same battery
        stranger.open(foreign)
        if foreign == link:
            stranger.sign_in(new_address())
        stranger.sees("registered to another account")
        stranger.never_sees("Save the address")  # before anything is filled in
    stranger.open(f"/battery?name={folder.name}")
    stranger.sees("There is no battery in your account yet.")
    owner.open(link)  # the owner's own link again does no harm
    owner.sees("is yours")


def test_a_battery_that_was_given_up_takes_a_new_link_and_not_the_old_one(world: HomeownerWorld, visit: Visit) -> None:
    folder, owner, heir = world.provision(), visit(), visit()
    link = world.link(folder)
    owner.register(link, new_address())
    owner.open(f"/battery?name={folder.name}")
    owner.unfold("Give this battery up")
    owner.page.get_by_text("I want to give it up").click()
    owner.press("Give it up")
    owner.sees("No battery yet")
    heir.open(link)
    heir.sign_in(new_address())
    heir.sees("This link was used before")
    heir.open(world.link(folder))
    heir.enter_address()
    heir.press("Save the address")
    heir.press("Register this battery")
    heir.sees("is yours")


def test_what_flip_refuses_is_said_kept_and_can_be_tried_again(
    world: HomeownerWorld, visit: Visit, flip_server: Steering
) -> None:
    folder, homeowner = world.provision(), visit()
    world.work_off()  # what other tests have left
    refusal = {"detail": [{"loc": ["body", "site", "street_address"], "msg": "is unknown"}]}
    flip_server.inject(path="/v1/commission", method="POST", status=422, times=1, body=refusal)
    homeowner.register(world.link(folder), new_address())
    world.work_off()
    homeowner.sees("did not work")
    homeowner.sees("street address")
    homeowner.page.reload()
    homeowner.sees("did not work")
    homeowner.shot("refused")
    homeowner.unfold("Correct the address")
    expect(homeowner.page.get_by_label("Street and number")).to_have_value("12 Sunny Street")
    homeowner.fill("Street and number", "14 Sunny Street")
    homeowner.press("Save and try again")
    homeowner.sees("this page goes on by itself")  # unlike what it says of a failure
    world.work_off_soon()
    homeowner.sees("Flip knows your battery.")
    rows = world.run_sql("SELECT status FROM fleet.flip_requests WHERE thing_name = %s", folder.name)
    assert [row["status"] for row in rows] == ["succeeded"]


def test_while_flip_is_down_the_battery_waits_and_the_page_says_so(
    world: HomeownerWorld, visit: Visit, flip_server: Steering
) -> None:
    folder, homeowner = world.provision(), visit()
    flip_server.outage(True)
    homeowner.register(world.link(folder), new_address())
    world.work_off()
    homeowner.sees("we will try again")
    flip_server.outage(False)
    world.run_sql(
        "UPDATE fleet.flip_requests SET next_attempt_at = now() WHERE thing_name = %s RETURNING 1", folder.name
    )
    world.work_off()
    homeowner.sees("Flip knows your battery.")
