"""The pages of homeowners and operators, in a real browser: what they show, how fast, on a phone, and to whom."""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import cycle
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.conftest import DESKTOP, PHONE
from tests.e2e.hostile_inputs import HOSTILE_INPUTS
from tests.e2e.visitor import Visitor
from tests.homeowner_world import HomeownerWorld
from tests.supabase_project import new_address

pytestmark = pytest.mark.e2e

Visit = Callable[..., Visitor]
FIRST_CONTENT_WITHIN_S = 2.0
BATTERIES = 1_000


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone-dark"])
def test_every_page_shows_its_content_soon_and_fits_the_screen(
    world: HomeownerWorld, visit: Visit, size: tuple[int, int], scheme: str
) -> None:
    folder, homeowner = world.provision(), visit(size, scheme)
    homeowner.register(world.link(folder), new_address())
    world.work_off()
    world.report(folder.name, timedelta(days=2), timedelta(minutes=1))
    pages = {
        "/": "Using your own solar power",
        f"/battery?name={folder.name}": "The battery is at",
        "/programs": "At your address",
        "/site": "Street and number",
    }
    for number, (path, text) in enumerate(pages.items()):
        # The quickest of three: other work on the machine is not the page's.
        seconds = min(homeowner.seconds_to_content(path, text) for _ in range(3))
        homeowner.settled()
        homeowner.shot(f"page-{number}")
        assert seconds < FIRST_CONTENT_WITHIN_S, f"{path} took {seconds:.1f} s"
        assert not homeowner.is_wider_than_its_screen(), path


def test_a_battery_shows_charts_in_local_time_words_for_them_and_a_csv(world: HomeownerWorld, visit: Visit) -> None:
    folder, homeowner = world.provision(), visit()
    homeowner.register(world.link(folder), new_address())
    homeowner.open(f"/battery?name={folder.name}")
    homeowner.sees("It has not reported yet")
    homeowner.sees("There are no readings from the last 24 hours.")
    world.report(folder.name, timedelta(hours=30), timedelta(minutes=1))
    homeowner.page.reload()
    homeowner.sees("Times are in your time zone: America/Los_Angeles.")
    charts = homeowner.page.get_by_test_id("stVegaLiteChart")
    expect(charts).to_have_count(3)
    expect(homeowner.page.get_by_label("Charge. Charge:").first).to_be_attached()
    homeowner.settled()
    hours = _ticks(charts.first, r"\d\d:00")
    assert len(hours) > 5 and len(set(hours)) == len(hours) and any("13" <= hour < "24" for hour in hours), hours
    charts.first.scroll_into_view_if_needed()
    homeowner.shot("24-hours")
    homeowner.page.get_by_text("7 days", exact=True).click()
    homeowner.sees("Sun: 0.0 to")
    homeowner.settled()
    days = _ticks(charts.first, r"[A-Z][a-z]+ \d+")
    assert len(days) > 5, days  # of which the battery has two
    charts.first.scroll_into_view_if_needed()
    homeowner.shot("7-days")
    with homeowner.page.expect_download() as download:
        homeowner.press("Download as CSV")
    lines = download.value.path().read_text().splitlines()
    assert lines[0].startswith("local_time,utc_time,state_of_charge_pct,solar_power_w")
    assert lines[1].split(",")[0].endswith(("-08:00", "-07:00")) and lines[1].split(",")[1].endswith("+00:00")
    homeowner.unfold("How we know that it is yours")
    homeowner.sees("The signature fitted the certificate")
    [device] = world.run_sql("SELECT certificate_id FROM fleet.devices WHERE thing_name = %s", folder.name)
    homeowner.sees(str(device["certificate_id"]))


def test_a_battery_shows_its_energy_by_day_month_and_year(world: HomeownerWorld, visit: Visit) -> None:
    folder, homeowner = world.provision(), visit()
    homeowner.register(world.link(folder), new_address())
    homeowner.open(f"/battery?name={folder.name}")
    homeowner.sees("Nothing is known of this time.")
    world.report(folder.name, timedelta(hours=30), timedelta(minutes=5))
    homeowner.page.reload()
    homeowner.sees("Self-powered")
    energy = homeowner.page.get_by_test_id("stVegaLiteChart").nth(2)
    for period, like, at_least in (("Month", r"\d+", 14), ("Year", r"[A-Z][a-z]{2}", 12), ("Day", r"\d\d:00", 12)):
        homeowner.page.get_by_text(period, exact=True).click()
        expect(energy.locator("svg text").filter(has_text=re.compile(f"^{like}$")).first).to_be_visible()
        homeowner.settled()
        assert len(set(_ticks(energy, like))) >= at_least, period
        energy.scroll_into_view_if_needed()
        homeowner.shot(f"energy-{period.lower()}")
    with homeowner.page.expect_download() as download:
        homeowner.press("Energy as CSV")
    lines = download.value.path().read_text().splitlines()
    assert lines[0] == "local_time,utc_time,home_wh,solar_wh,from_grid_wh,to_grid_wh,charged_wh,discharged_wh"
    assert all(float(line.split(",")[2]) > 0 for line in lines[1:])


def test_a_battery_is_called_as_its_household_calls_it(world: HomeownerWorld, visit: Visit) -> None:
    folder, homeowner = world.provision(), visit()
    homeowner.register(world.link(folder), new_address())
    homeowner.open(f"/battery?name={folder.name}")
    homeowner.unfold("Give it a name")
    homeowner.fill("Name", "The *garage* <b>")
    homeowner.press("Call it so")
    expect(homeowner.page.get_by_role("heading", name="The *garage* <b>")).to_be_visible()
    homeowner.open("/")
    expect(homeowner.page.get_by_role("heading", name="The *garage* <b>")).to_be_visible()
    homeowner.open("/programs")
    homeowner.sees("The *garage* <b>: ")


def _ticks(chart: Locator, like: str) -> list[str]:
    """The labels of the axes that look so, once they are drawn."""
    labels = chart.locator("svg text").filter(has_text=re.compile(f"^{like}$"))
    expect(labels.first).to_be_visible()
    return [text or "" for text in (label.text_content() for label in labels.all())]


def test_an_operator_finds_one_of_a_thousand_batteries_and_moves_it(world: HomeownerWorld, visit: Visit) -> None:
    world.run_sql(
        "INSERT INTO fleet.devices (thing_name, model, key_on_device) "
        "SELECT 'field-' || lpad(n::text, 4, '0'), 'home-13', true FROM generate_series(1, %s) AS n "
        "ON CONFLICT DO NOTHING RETURNING 1",
        BATTERIES,
    )
    folder, owner, heir, operator = world.provision(), visit(), visit(), visit()
    heir_email, operator_email = new_address(), new_address()
    owner.register(world.link(folder), new_address())
    heir.open("/")
    heir.sign_in(heir_email)
    heir.open("/fleet")
    heir.sees("This page is for operators.")
    heir.never_sees("Quarantine")
    world.project.code(operator_email)  # makes the account
    world.make_operator(operator_email)
    world.run_sql(
        "INSERT INTO fleet.unexplained_acknowledgements VALUES (%s, 7, 2, 1, now(), now())"
        " ON CONFLICT DO NOTHING RETURNING 1",
        folder.name,
    )
    operator.open("/fleet")
    operator.sign_in(operator_email)
    operator.sees("batteries. Online: heard of")
    operator.sees("acknowledge commands that were never given here")
    operator.shot("fleet")
    operator.page.get_by_test_id("stPaginationPage").get_by_text("2", exact=True).click()
    expect(operator.page.get_by_test_id("stPaginationPageActive")).to_have_text("2")
    operator.fill("Search by name or owner", folder.name)
    operator.page.keyboard.press("Enter")
    operator.sees("1 battery.")
    operator.unfold("Move a battery to another account")
    operator.fill("Battery", folder.name)
    operator.fill("Address of the new owner", heir_email)
    operator.press("Move it")
    operator.sees("Moved and recorded.")
    heir.open(f"/battery?name={folder.name}")
    heir.sees("This battery was moved to your account")
    heir.enter_address()
    heir.press("Save the address")
    heir.sees("Setting up your battery with Flip")
    owner.open("/")
    owner.sees("No battery yet")


def _fill_every_field(visitor: Visitor, values: Sequence[str]) -> None:
    """Write the values into the text fields in sight, by turns, past what the browser would limit."""
    visitor.settled()
    turns = cycle(values)
    for field in visitor.page.locator("[data-testid=stMain] input[type=text]:visible").all():
        if field.is_editable() and field.get_attribute("role") != "combobox":
            field.evaluate("field => field.removeAttribute('maxlength')")
            field.fill(next(turns))


def _is_unharmed(visitor: Visitor) -> None:
    visitor.never_sees("Traceback")
    visitor.never_sees("went wrong on our side")
    assert visitor.page.title() != "owned"
    assert not visitor.is_wider_than_its_screen()


def test_hostile_input_in_the_sign_in_forms(world: HomeownerWorld, visit: Visit) -> None:
    visitor, email = visit(), new_address()
    visitor.open(world.link(world.provision()))
    for value in HOSTILE_INPUTS.values():
        _fill_every_field(visitor, [value])
        visitor.press("Send the code")
        visitor.sees("This is not an e-mail address")
        _is_unharmed(visitor)
    visitor.ask_for_code(email)
    for value in HOSTILE_INPUTS.values():
        _fill_every_field(visitor, [value])
        visitor.press("Sign in")
        visitor.sees("The code is the six digits")
        _is_unharmed(visitor)
    visitor.enter_code(world.project.mailed_code(email))  # none of it counted as a try
    visitor.sees("Where is it installed?")


def test_hostile_input_in_the_registration_forms(world: HomeownerWorld, visit: Visit) -> None:
    visitor, values = visit(), list(HOSTILE_INPUTS.values())
    visitor.open(world.link(world.provision()))
    visitor.sign_in(new_address())
    for value in values:
        _fill_every_field(visitor, [value])
        visitor.press("Save the address")
        visitor.sees("zip code")
        _is_unharmed(visitor)
    visitor.enter_address(**{"Apartment (optional)": "", "Utility account number (optional)": ""})
    visitor.press("Save the address")
    for start in range(0, len(values), 3):
        visitor.sees("Register this battery")
        _fill_every_field(visitor, values[start : start + 3])
        visitor.press("Register this battery")
        visitor.settled()
        _is_unharmed(visitor)
        visitor.open(world.link(world.provision()))
        visitor.press("Use this address")
    assert world.run_sql("SELECT to_regclass('fleet.registrations') IS NOT NULL AS there")[0]["there"]


def test_hostile_input_in_an_address_that_is_kept_is_shown_as_text_everywhere(
    world: HomeownerWorld, visit: Visit
) -> None:
    visitor, folder = visit(), world.provision()
    visitor.register(world.link(folder), new_address())
    visitor.open("/site")
    for value in HOSTILE_INPUTS.values():
        visitor.sees("Street and number")
        _fill_every_field(visitor, [value])
        visitor.fill("Zip code", "88801")
        visitor.press("Save")
        visitor.settled()
        _is_unharmed(visitor)
    for path in ("/", "/site", "/programs", f"/battery?name={folder.name}"):
        visitor.open(path)
        _is_unharmed(visitor)
    assert world.run_sql("SELECT to_regclass('fleet.sites') IS NOT NULL AS there")[0]["there"]


def test_hostile_addresses_do_no_harm(world: HomeownerWorld, visit: Visit) -> None:
    visitor = visit()
    addresses = cycle(["/register?token=", "/confirm?type=email&token_hash=", "/battery?name="])
    for value in HOSTILE_INPUTS.values():  # 16 of them, so each address gets five at least
        visitor.open(next(addresses) + quote(value[:4_000]))
        _is_unharmed(visitor)


def test_operators_forms_take_hostile_input(world: HomeownerWorld, visit: Visit) -> None:
    operator, email = visit(), new_address()
    world.project.code(email)
    world.make_operator(email)
    operator.open("/fleet")
    operator.sign_in(email)
    operator.unfold("Move a battery to another account")
    for value in HOSTILE_INPUTS.values():
        _fill_every_field(operator, [value])
        operator.press("Move it")
        _is_unharmed(operator)
