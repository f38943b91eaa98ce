"""Events and dispatches in a real browser: the homeowner's say, and the operator's page of a dispatch."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from local_cloud.flip.steering import Steering
from tests.dispatch_examples import add_command, add_event, add_readings, add_transition
from tests.e2e.conftest import DESKTOP, PHONE
from tests.e2e.hostile_inputs import HOSTILE_INPUTS
from tests.e2e.visitor import Visitor
from tests.homeowner_world import HomeownerWorld
from tests.supabase_project import new_address

pytestmark = pytest.mark.e2e

Visit = Callable[..., Visitor]
MINUTE = timedelta(minutes=1)


def _registered(world: HomeownerWorld, visitor: Visitor) -> tuple[str, str]:
    """A homeowner whose battery Flip knows: its name and its home."""
    folder = world.provision()
    visitor.register(world.link(folder), new_address())
    while world.work_off():
        pass
    [row] = world.run_sql("SELECT site_id::text FROM fleet.registrations WHERE thing_name = %s", folder.name)
    return folder.name, str(row["site_id"])


def _heard(world: HomeownerWorld, flip: Steering, device: str, site_id: str, start: datetime) -> str:
    """An event of Flip's, as its webhooks leave it here; its id."""
    [event_id] = flip.create_event(
        starts_at=start, duration_s=3600, mode="DISCHARGE", power_mode="SETPOINT", setpoint_w=2_000, device_ids=[device]
    )["event_ids"]
    add_event(world.run_sql, site_id, [device], start, start + 60 * MINUTE, event_id=event_id)
    add_command(world.run_sql, device, start, start + 60 * MINUTE, state="acknowledged", received_at=datetime.now(UTC))
    return event_id


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone-dark"])
def test_a_homeowner_sees_the_next_event_opts_out_comes_back_and_sets_a_reserve(
    world: HomeownerWorld, visit: Visit, flip_server: Steering, size: tuple[int, int], scheme: str
) -> None:
    homeowner = visit(size, scheme)
    device, site_id = _registered(world, homeowner)
    homeowner.open("/events")
    homeowner.sees("No event is planned.")
    homeowner.sees("There have been no events yet.")
    homeowner.shot("empty")
    start = datetime.now(UTC).replace(microsecond=0) + 120 * MINUTE
    event_id = _heard(world, flip_server, device, site_id, start)
    homeowner.sees("Next event")  # by itself
    homeowner.sees(f"{device} gives power to your home and the grid at 2.0 kW, for 60 minutes.")
    homeowner.sees(f"At least 20 % stays in {device} for outages.")
    homeowner.sees("Times are in your time zone: America/Los_Angeles.")
    expect(homeowner.page.get_by_text("PST").or_(homeowner.page.get_by_text("PDT")).first).to_be_visible()
    homeowner.settled()
    homeowner.shot("next")
    assert not homeowner.is_wider_than_its_screen()

    homeowner.press("Skip this event")
    homeowner.sees("Telling Flip what you chose for the event")
    world.work_off_soon()
    homeowner.sees("Not taking part")
    assert [command["status"] for command in flip_server.received("commands")] == ["OPT_OUT"]
    homeowner.shot("opted-out")
    homeowner.press("Take part again")
    world.work_off_soon()
    homeowner.sees("Skip this event")

    homeowner.unfold("Keep more or less for outages")
    slider = homeowner.page.get_by_role("slider")
    slider.focus()
    for _ in range(3):
        slider.press("ArrowRight")
    expect(slider).to_have_value("23")
    homeowner.settled()
    homeowner.press("Keep this much")
    world.work_off_soon()
    homeowner.sees(f"At least 23 % stays in {device} for outages.")
    [command] = flip_server.received("commands")
    assert (command["status"], command["battery_commands"]["backup_reserve_percentage"]) == ("OK", 23)
    homeowner.open("/")
    homeowner.sees("Next event:")
    homeowner.settled()
    homeowner.shot("home")

    homeowner.open("/events")
    homeowner.sees("Skip this event")
    flip_server.cancel_event(event_id)
    homeowner.press("Skip this event")
    world.work_off_soon()
    homeowner.sees("The event is over or was canceled")
    homeowner.shot("refused")


def test_the_history_says_what_the_battery_really_did(world: HomeownerWorld, visit: Visit) -> None:
    homeowner, now = visit(PHONE), datetime.now(UTC).replace(microsecond=0)
    device, _ = _registered(world, homeowner)
    start = now - 90 * MINUTE
    add_command(world.run_sql, device, start, start + 30 * MINUTE)
    add_readings(world.run_sql, device, [(start + n * MINUTE, 0.0, 32.0 * n) for n in range(31)])
    late, left = start - 180 * MINUTE, start - 360 * MINUTE
    add_command(world.run_sql, device, late, late + 30 * MINUTE)
    course = [(late + n * MINUTE, 0.0, 3000 + 30.0 * n) for n in range(16)]
    add_readings(world.run_sql, device, course, numbers=range(201, 217))
    opted_out = add_command(world.run_sql, device, left, left + 30 * MINUTE)
    world.run_sql(
        "UPDATE fleet.commands SET revision = 2, flip_status = 'OPT_OUT', state = 'canceled', revised_at = %s"
        " WHERE command_id = %s RETURNING 1",
        left + 10 * MINUTE, opted_out,
    )  # fmt: skip
    course = [(left + n * MINUTE, 0.0, 2000 + 2000 / 60 * n) for n in range(31)]
    add_readings(world.run_sql, device, course, numbers=range(101, 132))
    past = [
        (
            {"state": "failed", "reason": f"the inverter is too hot {HOSTILE_INPUTS['script']}"},
            "It did not work: the inverter",
        ),
        ({"state": "superseded"}, "A later request replaced it."),
        ({"state": "expired"}, "It was over before the battery could be reached."),
        ({"state": "canceled", "flip_status": "OPT_OUT"}, "You did not take part."),
        ({"state": "canceled", "flip_status": "CANCELED"}, "The utility canceled it."),
        ({"state": "done", "mode": "BACKUP", "setpoint_w": None}, "Done."),
    ]
    for number, (changes, _) in enumerate(past, start=2):
        begin = now - timedelta(days=number)
        add_command(world.run_sql, device, begin, begin + 10 * MINUTE, **changes)
    homeowner.open("/events")
    homeowner.sees("Done: it gave 960 Wh of the 1.00 kWh that it was asked for.")
    homeowner.sees("Done: it gave 450 Wh of the 500 Wh that it was asked for. Its readings from")
    homeowner.sees("Until then it gave 333 Wh of the 333 Wh that it was asked for.")
    homeowner.sees("At first it was asked for 1.00 kWh, in the end for 333 Wh.")
    for _, sentence in past:
        homeowner.sees(sentence)
    homeowner.settled()
    homeowner.page.screenshot(path=str(homeowner.screenshot_path("history")), full_page=True)
    assert not homeowner.is_wider_than_its_screen()
    assert homeowner.page.title() != "owned"


def test_an_operator_follows_a_dispatch_and_takes_its_proof_away(world: HomeownerWorld, visit: Visit) -> None:
    operator, email = visit((1280, 1100)), new_address()
    world.project.code(email)
    world.make_operator(email)
    start = datetime.now(UTC).replace(microsecond=0) - 20 * MINUTE
    end = start + 15 * MINUTE
    heard = {"delivered_at": start - 9 * MINUTE, "acknowledged_at": start - 9 * MINUTE}
    told = {"report": "OK", "report_revision": 1, "reported": "OK", "reported_revision": 1, "reported_at": start}
    names = []
    for number in range(12):
        name = f"grid-{start:%H%M%S}-{number:02}"
        names.append(name)
        world.run_sql("INSERT INTO fleet.devices (thing_name, model, key_on_device) VALUES (%s, 'home-13', true)", name)
        changes = {**heard, **told, "state": "done"}
        if number == 10:
            changes = {**heard, "state": "failed", "reason": "the inverter is too hot"}
        command_id = add_command(world.run_sql, name, start, end, **changes)
        if number == 11:  # in the middle, and it goes on for half a minute
            world.run_sql(
                "UPDATE fleet.commands SET revision = 2, flip_status = 'OPT_OUT', state = 'canceled', revised_at = %s"
                " WHERE command_id = %s RETURNING 1",
                start + 5 * MINUTE, command_id,
            )  # fmt: skip
        add_transition(world.run_sql, command_id, "received", "Flip sent it", start - 10 * MINUTE)
        seconds = [n for n in range(-180, 1080, 10) if number != 9 or not 300 < n < 600]
        if number == 8:  # the rest is late
            seconds = [n for n in seconds if n <= 300]
        watts = 0.0 if number == 10 else 2000.0
        lasts_s = 330 if number == 11 else 900
        course = [(start + timedelta(seconds=n), 0.0, 100 + max(0, min(n, lasts_s)) * watts / 3600) for n in seconds]
        powers = [watts if start <= moment < end else 0.0 for moment, _, _ in course]
        add_readings(world.run_sql, name, course, powers)
    world.run_sql(
        "INSERT INTO fleet.refused_webhooks (message_id, reason, detail, body, queued_at)"
        " VALUES (%s, 'bad_signature', 'The signature is another.', 'x', now())",
        names[0],
    )
    operator.open("/dispatches")
    operator.sign_in(email)
    operator.sees("12 asked")
    operator.sees("1 refused: forged, stale or not readable.")
    operator.settled()
    operator.shot("list")
    operator.page.get_by_role("link", name=f"{start.astimezone(ZoneInfo('America/Los_Angeles')):%H:%M} to").click()
    operator.sees("1 failed: the inverter is too hot")
    operator.sees("12 of 12")
    operator.sees("at most 22.00 kW. Charging: mean 0.00 kW")
    for figure in ("6.00 kWh", "5.67 kWh", "4.83 kWh", "91 %"):  # at first, as it was changed, delivered, its share
        operator.sees(figure)
    operator.sees(f"Late, and not counted as missing: {names[8]}.")
    operator.sees("Compared over the time that is measured: 4.83 kWh of 5.33 kWh.")
    expect(operator.page.get_by_test_id("stVegaLiteChart").locator("canvas, svg.marks").first).to_be_visible()
    operator.settled()
    assert operator.page.get_by_test_id("stMainBlockContainer").bounding_box()["width"] > 1_000  # wide, as the list is
    operator.page.screenshot(path=str(operator.screenshot_path("dispatch")), full_page=True)
    with operator.page.expect_download() as download:
        operator.press("Download as CSV")
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == 13 and lines[0].startswith("battery,command_id,starts_at_utc")
    assert "too hot" in lines[11] and f"{start:%Y-%m-%dT%H:%M:%S}.000Z" in lines[1]
    operator.unfold("One battery, step by step")
    operator.sees("received: Flip sent it")
    operator.open("/dispatch?starts_at=yesterday&mode=DISCHARGE")
    operator.sees("This address names no dispatch")
    operator.open("/dispatch?starts_at=2020-01-01T00:00:00Z&mode=DISCHARGE")
    operator.sees("There is no such dispatch")
    homeowner = visit()
    homeowner.open("/")
    homeowner.sign_in(new_address())
    for path in ("/dispatches", "/dispatch"):
        homeowner.open(path)
        homeowner.sees("This page is for operators.")


def test_hostile_addresses_of_a_dispatch_do_no_harm(world: HomeownerWorld, visit: Visit) -> None:
    operator, email = visit(), new_address()
    world.project.code(email)
    world.make_operator(email)
    operator.open("/dispatches")
    operator.sign_in(email)
    texts = [quote(value[:2_000]) for value in HOSTILE_INPUTS.values()]
    strange_times = f"starts_at={texts[0]}&ends_at={texts[1]}"
    for query in (strange_times, *(f"starts_at=2026-11-23T00:00:00Z&mode={text}" for text in texts)):
        operator.open(f"/dispatch?{query}")
        operator.never_sees("Traceback")
        operator.never_sees("went wrong on our side")
        assert operator.page.title() != "owned"
