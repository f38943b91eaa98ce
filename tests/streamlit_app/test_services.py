"""What the pages call, before the real database: binding, isolation, and what is said when something is missing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from fleet.devices import read_artifacts
from fleet.errors import Conflict, FleetError, InvalidInput, NotConfigured, NotFound, Refused, Unavailable
from fleet.registration.refusals import LinkRefusal
from fleet.settings import Settings
from streamlit_app.services import batteries, flip, operators, registration, sites
from streamlit_app.services.accounts import Account
from streamlit_app.services.batteries import Freshness, freshness
from streamlit_app.services.registration import CheckedLink
from streamlit_app.services.sites import Site
from tests.homeowner_world import HomeownerWorld
from tests.supabase_project import new_address

pytestmark = pytest.mark.integration

SignIn = Callable[..., Account]
HOME = Site(
    first_name="Home", last_name="Owner", street_address="12 Sunny Street", city="Springfield", state_code="CA",
    zip_code="88801", email="owner@example.org",
)  # fmt: skip


def _now() -> datetime:
    return datetime.now(UTC)


def _checked(settings: Settings, world: HomeownerWorld, folder: Path) -> CheckedLink:
    token = world.link(folder).partition("token=")[2]
    checked = registration.check(settings, token, _now())
    assert isinstance(checked, CheckedLink)
    return checked


def _register(settings: Settings, world: HomeownerWorld, account: Account) -> str:
    checked = _checked(settings, world, world.provision())
    registration.bind(settings, account, checked, sites.save(account, HOME), checked.details, _now())
    return checked.thing_name


def test_a_good_link_comes_with_what_is_known_of_the_battery(web_settings: Settings, world: HomeownerWorld) -> None:
    folder = world.provision()
    checked = _checked(web_settings, world, folder)
    assert checked.link.certificate_id == read_artifacts(folder).config.certificate_id
    assert (checked.details.product_name, checked.details.battery_capacity_wh) == ("Home 13", 13_500)
    assert any(checked.link.certificate_id[:16] in line for line in checked.findings(UTC))


def test_the_form_may_take_longer_than_the_link_lives(
    web_settings: Settings, world: HomeownerWorld, sign_in: SignIn
) -> None:
    folder, account = world.provision(), sign_in()
    token = world.link(folder, made_at=_now() - timedelta(minutes=19)).partition("token=")[2]
    checked = registration.check(web_settings, token, _now())
    assert isinstance(checked, CheckedLink)
    later = _now() + timedelta(minutes=2)
    assert isinstance(registration.check(web_settings, token, later), LinkRefusal)
    registration.bind(web_settings, account, checked, sites.save(account, HOME), checked.details, later)
    assert [found.thing_name for found in batteries.my_batteries(account)] == [folder.name]


def test_a_certificate_that_went_out_of_force_meanwhile_binds_nothing(
    web_settings: Settings, world: HomeownerWorld, sign_in: SignIn
) -> None:
    folder, account = world.provision(), sign_in()
    checked = _checked(web_settings, world, folder)
    world.deactivate(folder)
    with pytest.raises(Refused, match="not in service"):
        registration.bind(web_settings, account, checked, sites.save(account, HOME), checked.details, _now())
    assert batteries.my_batteries(account) == []


def test_without_its_credential_the_app_binds_nothing(
    web_settings: Settings, world: HomeownerWorld, sign_in: SignIn
) -> None:
    account, checked = sign_in(), _checked(web_settings, world, world.provision())
    site_id = sites.save(account, HOME)
    for credential, error in (("", NotConfigured), ("guessed", Refused)):
        settings = web_settings.model_copy(update={"app_credential": SecretStr(credential)})
        with pytest.raises(error):
            registration.bind(settings, account, checked, site_id, checked.details, _now())
    assert batteries.my_batteries(account) == []


def test_a_battery_cannot_be_put_at_anothers_home(
    web_settings: Settings, world: HomeownerWorld, sign_in: SignIn
) -> None:
    owner, other = sign_in(), sign_in()
    checked = _checked(web_settings, world, world.provision())
    with pytest.raises(NotFound):
        registration.bind(web_settings, other, checked, sites.save(owner, HOME), checked.details, _now())


def test_one_account_sees_and_changes_nothing_of_anothers(
    web_settings: Settings, world: HomeownerWorld, sign_in: SignIn
) -> None:
    owner, other = sign_in(), sign_in()
    name = _register(web_settings, world, owner)
    world.work_off()
    [site] = sites.my_sites(owner)
    assert batteries.my_batteries(other) == sites.my_sites(other) == flip.my_requests(other) == []
    attempts: list[Callable[[], object]] = [
        lambda: batteries.history(other, name, _now() - timedelta(hours=1), _now()),
        lambda: batteries.readiness(other, name),
        lambda: batteries.registration_record(other, name),
        lambda: batteries.release(other, name),
        lambda: sites.save(other, site),
        lambda: flip.refresh_programs(other, str(site.site_id), "now"),
        lambda: operators.fleet(other, "", 10, 0),
        lambda: operators.quarantine(other),
        lambda: operators.transfer(other, name, new_address()),
    ]
    for attempt in attempts:
        with pytest.raises((NotFound, Refused)):
            attempt()
    assert [found.thing_name for found in batteries.my_batteries(owner)] == [name]


def test_a_battery_of_another_is_refused_in_a_sentence(
    web_settings: Settings, world: HomeownerWorld, sign_in: SignIn
) -> None:
    owner, other, folder = sign_in(), sign_in(), world.provision()
    first, second = _checked(web_settings, world, folder), _checked(web_settings, world, folder)
    registration.bind(web_settings, owner, first, sites.save(owner, HOME), first.details, _now())
    with pytest.raises(Conflict, match="another account"):
        registration.bind(web_settings, other, second, sites.save(other, HOME), second.details, _now())


def test_an_install_date_in_the_future_is_refused(
    web_settings: Settings, world: HomeownerWorld, sign_in: SignIn
) -> None:
    account, checked = sign_in(), _checked(web_settings, world, world.provision())
    details = replace(checked.details, install_date=_now().date() + timedelta(days=2))
    with pytest.raises(InvalidInput, match="date"):
        registration.bind(web_settings, account, checked, sites.save(account, HOME), details, _now())


def test_when_iot_core_does_not_answer_the_visitor_is_told_to_come_back(
    web_settings: Settings, world: HomeownerWorld
) -> None:
    token = world.link(world.provision()).partition("token=")[2]
    refused = web_settings.model_copy(update={"aws_access_key_id": "LKIAUNKNOWNUNKNOWN00"})
    with pytest.raises(Unavailable, match="try again in a moment") as caught:
        registration.check(refused, token, _now())
    assert "AWS" not in str(caught.value)


def test_programs_enrollment_and_leaving_go_through_the_outbox(
    web_settings: Settings, world: HomeownerWorld, sign_in: SignIn
) -> None:
    account = sign_in()
    name = _register(web_settings, world, account)
    world.work_off()
    [site] = sites.my_sites(account)
    offers = flip.my_programs(account, str(site.site_id))
    assert offers is not None
    reserve = next(offer for offer in offers if not offer.enrollment_form)
    first = flip.enroll(account, str(site.site_id), reserve, [name], {})
    assert flip.enroll(account, str(site.site_id), reserve, [name], {}) == first  # a second click
    world.work_off()
    [held] = flip.my_enrollments(account)
    assert (held.program_id, held.thing_names) == (reserve.id, [name])
    flip.unenroll(account, held)
    world.work_off()
    assert flip.my_enrollments(account)[0].status == "UNENROLLED"
    assert flip.enroll(account, str(site.site_id), reserve, [name], {}) != first  # coming back is another wish


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"zip_code": "8880"}, "five digits"),
        ({"zip_code": "٨٨٨٠١"}, "five digits"),
        ({"city": None}, "Enter the city."),
        ({"first_name": "x" * 201}, "Shorten the first name"),
        ({"last_name": "a\x00b"}, "control character"),
    ],
)
def test_a_site_that_cannot_be_is_corrected_before_it_is_sent(changes: dict[str, str | None], sentence: str) -> None:
    site = Site(**{"city": "Springfield", **_fields(HOME), **changes})  # type: ignore[arg-type]
    assert sentence in " ".join(sites.problems(site).values())
    assert sites.problems(HOME) == {}


def test_the_database_has_the_last_word_on_a_site(sign_in: SignIn) -> None:
    account = sign_in()
    for changes in ({"state_code": "XX"}, {"zip_code": "1"}, {"email": "nobody"}):
        with pytest.raises(FleetError):
            sites.save(account, Site(**{**_fields(HOME), **changes}))  # type: ignore[arg-type]
    assert sites.my_sites(account) == []


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (timedelta(minutes=1), Freshness.LIVE),
        (timedelta(minutes=30), Freshness.LATE),
        (timedelta(days=2), Freshness.SILENT),
    ],
)
def test_readings_age(age: timedelta, state: Freshness) -> None:
    seen = _now() - age
    assert freshness(seen, seen, _now()) is state
    assert freshness(None, None, _now()) is Freshness.NEVER


def test_a_backlog_that_drains_is_not_live() -> None:
    """It arrives now, and is of three days ago."""
    now = _now()
    assert freshness(now, now - timedelta(days=3), now) is Freshness.CATCHING_UP
    assert freshness(now, now - timedelta(minutes=9), now) is Freshness.LIVE
    assert freshness(now, now + timedelta(days=3), now) is Freshness.LIVE, "a clock that is fast says nothing of age"
    assert freshness(now - timedelta(hours=2), now - timedelta(days=3), now) is Freshness.SILENT


def _fields(site: Site) -> dict[str, str | None]:
    return {name: getattr(site, name) for name in site.__struct_fields__}


def test_a_character_that_cannot_be_stored_is_refused_in_a_sentence(sign_in: SignIn) -> None:
    account = sign_in()
    with pytest.raises(InvalidInput, match="cannot be stored"):
        flip.request(account, "programs", "key", None, None, {"answers": [{"value": "a\0b"}]})
