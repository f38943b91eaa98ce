"""A homeowner's events before the real database: what they see, ask for, and what their batteries did."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from fleet.errors import Conflict, InvalidInput, NotFound, Refused
from fleet.settings import Settings
from local_cloud.flip.steering import Steering
from streamlit_app.services import dispatches, events, flip, sites
from streamlit_app.services.accounts import Account
from streamlit_app.services.dispatches import DispatchKey
from streamlit_app.services.events import Event
from tests.dispatch_examples import add_command, add_event, add_readings, add_transition
from tests.homeowner_world import HomeownerWorld
from tests.streamlit_app.test_services import SignIn, _register
from tests.supabase_project import new_address

pytestmark = pytest.mark.integration

MINUTE = timedelta(minutes=1)

Home = tuple[Account, str, str]
"""An account, its battery and its home."""


@pytest.fixture
def home(web_settings: Settings, world: HomeownerWorld, sign_in: SignIn) -> Home:
    """A homeowner whose battery Flip knows."""
    account = sign_in()
    device = _register(web_settings, world, account)
    world.work_off()
    return account, device, str(sites.my_sites(account)[0].site_id)


@pytest.fixture
def event(world: HomeownerWorld, home: Home, flip_server: Steering) -> Event:
    """An event in an hour, at Flip and here."""
    account, device, site_id = home
    start = datetime.now(UTC).replace(microsecond=0) + 60 * MINUTE
    [event_id] = flip_server.create_event(
        starts_at=start, duration_s=600, mode="DISCHARGE", setpoint_w=2_000, device_ids=[device]
    )["event_ids"]
    add_event(world.run_sql, site_id, [device], start, start + 10 * MINUTE, event_id=event_id)
    [found] = events.my_events(account)
    return found


def test_opting_out_and_back_in_and_out_again_are_three_wishes_and_a_second_click_is_none(
    world: HomeownerWorld, home: Home, event: Event
) -> None:
    account, _, _ = home
    made = []
    for takes_part in (False, True, False):
        [current] = events.my_events(account)
        first = events.take_part(account, current, is_participating=takes_part)
        assert events.take_part(account, current, is_participating=takes_part) == first
        made.append(first)
        world.work_off()
        assert [one.is_participating for one in events.my_events(account)] == [takes_part]
    assert len(set(made)) == 3


def test_while_one_change_is_on_its_way_another_one_waits_for_it(home: Home, event: Event) -> None:
    account, device, _ = home
    events.take_part(account, event, is_participating=False)
    with pytest.raises(Conflict, match="on its way"):
        events.keep_reserves(account, event, {device: 50})


def test_a_reserve_is_kept_for_ones_own_battery_between_0_and_100_percent(
    world: HomeownerWorld, home: Home, event: Event
) -> None:
    account, device, _ = home
    for wrong in (-1, 101, float("1e9")):
        with pytest.raises(InvalidInput, match="0 to 100 percent"):
            events.keep_reserves(account, event, {device: wrong})
    with pytest.raises(NotFound, match="not one of yours"):
        events.keep_reserves(account, event, {"battery-of-another": 20})
    events.keep_reserves(account, event, {device: 35})
    world.work_off()
    assert [one.reserve_pct(device) for one in events.my_events(account)] == [35]
    assert event.reserve_pct(device) is None


def test_what_flip_refuses_of_an_event_is_told(
    world: HomeownerWorld, home: Home, event: Event, flip_server: Steering
) -> None:
    account, _, _ = home
    flip_server.cancel_event(event.event_id)
    events.take_part(account, event, is_participating=False)
    world.work_off()
    told = flip.newest(flip.my_requests(account), "change_event", event_id=event.event_id)
    assert told and (told.status, "over or was canceled" in str(told.message)) == ("failed", True)
    assert flip.newest(flip.my_requests(account), "change_event", event_id="another") is None


def test_another_account_sees_nothing_of_it_and_changes_nothing(
    world: HomeownerWorld, home: Home, event: Event, sign_in: SignIn
) -> None:
    account, device, _ = home
    add_command(world.run_sql, device, event.starts_at, event.ends_at, received_at=datetime.now(UTC), state="pending")
    other, key = sign_in(), DispatchKey(event.starts_at, event.ends_at, "DISCHARGE")
    assert events.my_events(other) == events.results(other) == []
    assert len(events.results(account)) == 1
    attempts: list[Callable[[], object]] = [
        lambda: events.take_part(other, event, is_participating=False),
        lambda: events.keep_reserves(other, event, {device: 0}),
        lambda: dispatches.overview(other, 10, 0),
        lambda: dispatches.report(other, key, 180),
        lambda: dispatches.power(other, key),
        lambda: dispatches.webhooks(other),
        lambda: dispatches.life(other, events.results(account)[0].command_id),
    ]
    for attempt in attempts:
        with pytest.raises((NotFound, Refused)):
            attempt()


def test_the_history_has_what_the_battery_really_did(world: HomeownerWorld, home: Home) -> None:
    account, device, _ = home
    start = datetime.now(UTC).replace(microsecond=0) - 60 * MINUTE
    done = add_command(world.run_sql, device, start, start + 10 * MINUTE, received_at=datetime.now(UTC))
    coming = add_command(
        world.run_sql, device, start + 120 * MINUTE, None, received_at=datetime.now(UTC), state="pending"
    )
    add_readings(world.run_sql, device, [(start + n * MINUTE, 0.0, 30.0 * n) for n in range(8)])
    newest, oldest = events.results(account)
    assert [newest.command_id, oldest.command_id] == [coming, done]
    assert oldest.measured_energy_wh == pytest.approx(210)
    assert oldest.asked_energy_wh == pytest.approx(2000 / 6)
    assert (oldest.gap_total_s, newest.measured_energy_wh, newest.gap_total_s) == (0, None, None)
    now = datetime.now(UTC)
    assert oldest.is_history(now) and not newest.is_history(now)


def test_an_operator_sees_a_dispatch_in_figures(world: HomeownerWorld, home: Home, sign_in: SignIn) -> None:
    _, device, _ = home
    email = new_address()
    world.project.code(email)
    world.make_operator(email)
    operator = sign_in(email)
    start = datetime.now(UTC).replace(microsecond=0) - 45 * MINUTE
    key = DispatchKey(start, start + 10 * MINUTE, "DISCHARGE")
    command_id = add_command(world.run_sql, device, start, key.ends_at)
    add_transition(world.run_sql, command_id, "received", "Flip sent it", start)
    add_readings(world.run_sql, device, [(start + n * MINUTE, 0.0, 30.0 * n) for n in range(11) if n not in (4, 5, 6)])
    [listed] = [one for one in dispatches.overview(operator, 100, 0) if one.starts_at == start]
    assert (listed.devices, listed.done, listed.mode) == (1, 1, "DISCHARGE")
    figures = dispatches.summary(dispatches.report(operator, key, 180))
    assert figures.energies.delivered_wh == pytest.approx(300)
    assert (figures.devices_with_gaps, figures.energies.measured_devices) == (1, 1)
    assert {bucket.discharge_power_w for bucket in dispatches.power(operator, key).buckets} == {2000}
    assert [step.cause for step in dispatches.life(operator, command_id)] == ["Flip sent it"]
