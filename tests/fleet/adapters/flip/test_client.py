"""The client against the stand-in over real HTTP: every call, every refusal."""

from datetime import timedelta

import pytest
from pydantic import SecretStr

from fleet.adapters.flip import FlipClient, RetryPolicy
from fleet.errors import Conflict, InvalidInput, NotConfigured, NotFound, Refused, Unavailable
from fleet.flip import (
    Accepted,
    AlreadyExists,
    Commissioned,
    CommissionRequest,
    Device,
    DeviceSetting,
    EventChanges,
    InvalidFields,
    ProgramAttribute,
    Rejected,
    SiteChanges,
    Unanswered,
    accepted,
    offline_point,
)
from fleet.settings import Settings
from local_cloud.flip.catalog import GRID_RESERVE, PEAK_SAVER
from local_cloud.flip.steering import Steering
from tests.fleet.flip_examples import NOON, application, battery, commissioning, home, plain_application, point

ANSWERS = application().program_specific_attributes


@pytest.fixture
def site(flip: FlipClient) -> str:
    flip.commission(commissioning())
    return "site-1"


def calls(flip_server: Steering, path: str) -> list[int]:
    return [call["status"] for call in flip_server.received("requests") if call["path"].startswith(path)]


def test_commissioning_with_auto_enrollment_enrolls(flip: FlipClient) -> None:
    answer = flip.commission(commissioning(can_auto_enroll=True))
    assert isinstance(answer, Commissioned)
    assert {program.id for program in answer.programs} == {PEAK_SAVER, GRID_RESERVE}
    assert answer.enrollment
    assert (answer.enrollment.program_id, answer.enrollment.status) == (GRID_RESERVE, "ACTIVE")


def test_commissioning_a_known_device_makes_nothing(flip: FlipClient, site: str) -> None:
    answer = flip.commission(commissioning("site-2", "battery-1"))
    assert isinstance(answer, AlreadyExists)
    assert "battery-1" in answer.detail
    assert [known.id for known in accepted(flip.sites())] == ["site-1"]


def test_missing_fields_are_listed(flip: FlipClient) -> None:
    with pytest.raises(InvalidFields) as refused:
        flip.commission(CommissionRequest(site=home(state_code="XX"), devices=(Device(id="b", type="BATTERY"),)))
    names = {field.name for field in refused.value.fields}
    assert names == {
        "site.state_code",
        "devices.0.manufacturer_name",
        "devices.0.product_name",
        "devices.0.serial_number",
        "devices.0.attributes",
        "devices.0.install_date",
    }


def test_a_second_battery_can_be_added_once(flip: FlipClient, site: str) -> None:
    assert flip.create_device(site, battery("battery-2")) == battery("battery-2", site_id=site)
    assert isinstance(flip.create_device(site, battery("battery-2")), AlreadyExists)
    assert len(flip.devices(site)) == 2
    with pytest.raises(NotFound):
        flip.create_device("unknown", battery("battery-3"))


def test_a_device_that_was_removed_is_gone_and_can_be_commissioned_elsewhere(flip: FlipClient, site: str) -> None:
    flip.remove_device(site, "battery-1")
    assert flip.devices(site) == []
    with pytest.raises(NotFound):
        flip.remove_device(site, "battery-1")
    assert isinstance(flip.commission(commissioning("site-2", "battery-1")), Commissioned)


def test_a_device_in_a_program_stays(flip: FlipClient, site: str) -> None:
    flip.enroll(site, plain_application())
    with pytest.raises(Conflict, match="takes part"):
        flip.remove_device(site, "battery-1")


def test_only_what_is_set_changes(flip: FlipClient, site: str) -> None:
    changed = flip.update_site(site, SiteChanges(city=None, street_address="1 Main Street"))
    assert (changed.city, changed.street_address, changed.email) == (None, "1 Main Street", "owner@example.com")


def test_a_wrong_change_is_refused_by_field(flip: FlipClient, site: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        flip.update_site(site, SiteChanges(state_code="ZZ"))
    assert [field.name for field in refused.value.fields] == ["state_code"]
    assert flip.site(site).state_code == "CA"


def test_programs_are_those_of_the_zip_code_and_device(flip: FlipClient, site: str) -> None:
    programs = {program.id: program for program in accepted(flip.programs(site, "88801"))}
    assert {field.type for field in programs[PEAK_SAVER].enrollment_form} == {"boolean", "number", "string"}
    assert programs[PEAK_SAVER].terms_and_conditions_text
    assert programs[GRID_RESERVE].terms_and_conditions_version is None
    assert flip.programs(site, "10001") == []
    assert flip.programs(site, "88801", "EV_CHARGER") == []
    with pytest.raises(NotFound):
        flip.program(site, "unknown")


def test_an_enrollment_is_applied_for_settled_and_left(flip: FlipClient, flip_server: Steering, site: str) -> None:
    flip_server.settle_enrollments_after(3600)
    enrollment = flip.enroll(site, application())
    assert enrollment.status == "PENDING"
    flip_server.advance(1800)
    assert flip.enrollment(site, enrollment.id).status == "PENDING"
    flip_server.decide_enrollment(enrollment.id, "NEEDS_ACTION", "A meter number is needed.")
    assert flip.enrollment(site, enrollment.id).status_reason == "A meter number is needed."
    flip.unenroll(site, enrollment.id)
    assert [one.status for one in accepted(flip.enrollments(site))] == ["UNENROLLED"]
    with pytest.raises(Conflict):
        flip.unenroll(site, enrollment.id)
    assert flip.enroll(site, plain_application()).status == "PENDING"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"has_agreed_to_terms_and_conditions": False}, "has_agreed_to_terms_and_conditions"),
        ({"terms_and_conditions_version": "2020-01"}, "terms_and_conditions_version"),
        ({"device_ids": ("another",)}, "device_ids"),
        ({"program_specific_attributes": ()}, "program_specific_attributes.owns_home"),
        (
            {
                "program_specific_attributes": (*ANSWERS, ProgramAttribute("x", "1")),
            },
            "program_specific_attributes.x",
        ),
        (
            {
                "program_specific_attributes": (
                    ProgramAttribute("owns_home", "yes"),
                    *ANSWERS[1:],
                )
            },
            "program_specific_attributes.owns_home",
        ),
    ],
)
def test_an_application_with_a_fault_is_refused_by_field(
    flip: FlipClient, site: str, changes: dict, field: str
) -> None:
    with pytest.raises(InvalidFields) as refused:
        flip.enroll(site, application(**changes))
    assert field in {invalid.name for invalid in refused.value.fields}
    assert flip.enrollments(site) == []


def test_a_rejected_site_cannot_apply_again(flip: FlipClient, flip_server: Steering, site: str) -> None:
    enrollment = flip.enroll(site, application())
    with pytest.raises(Conflict):
        flip.enroll(site, application())
    flip_server.decide_enrollment(enrollment.id, "REJECTED", "Not on this tariff.")
    with pytest.raises(Conflict, match="rejected"):
        flip.enroll(site, application())


def test_telemetry_goes_in_requests_of_a_thousand(flip: FlipClient, flip_server: Steering, site: str) -> None:
    points = [point(start_time=NOON + timedelta(minutes=5 * i)) for i in range(2_001)]
    outcomes = flip.send_telemetry(points)
    assert outcomes == [Accepted(sent) for sent in points]
    assert calls(flip_server, "/v1/telemetry") == [200, 200, 200]
    assert len(flip_server.received("telemetry")) == 2_001


def test_each_faulty_point_fails_alone_with_its_reason(
    careless_flip: FlipClient, flip_server: Steering, site: str
) -> None:
    outcomes = careless_flip.send_telemetry(
        [
            point(),
            point("unknown"),
            point(duration_s=0),
            point(home_last_power_w=None),
            point(solar_last_power_w=-1.0),
            point(battery_last_state_of_charge_percentage=101.0),
            point(last_is_online=False),
            offline_point("battery-1", NOON, 300),
        ]
    )
    reasons = [outcome.reason if isinstance(outcome, Rejected) else "" for outcome in outcomes]
    for word, reason in zip(
        ["", "device_id", "duration_s", "home_last_power_w", "solar_last_power_w", "of_charge", "must be null", ""],
        reasons,
        strict=True,
    ):
        assert word in reason
    assert len(flip_server.received("telemetry")) == 2


def test_a_failure_after_the_first_request_leaves_the_rest_unanswered(
    flip: FlipClient, flip_server: Steering, site: str
) -> None:
    flip_server.inject(
        path="/v1/telemetry", status=200, latency_s=0, is_after=True, times=1, body=[{"status": "OK"}] * 1000
    )
    flip_server.inject(path="/v1/telemetry", status=400)
    outcomes = flip.send_telemetry([point(start_time=NOON + timedelta(seconds=i)) for i in range(1_500)])
    assert [type(outcome) for outcome in outcomes] == [Accepted] * 1_000 + [Unanswered] * 500


def test_no_points_need_no_request(flip: FlipClient, flip_server: Steering) -> None:
    assert flip.send_telemetry([]) == []
    assert flip_server.received("requests") == []


def test_commands_are_polled_and_acknowledged(flip: FlipClient, flip_server: Steering, site: str) -> None:
    made = flip_server.create_event(duration_s=600, mode="DISCHARGE", power_mode="SETPOINT", setpoint_w=3_000)
    command = accepted(flip.commands())[0]
    assert (command.id, command.device_id, command.status) == (made["command_ids"][0], "battery-1", "OK")
    assert command.battery_commands.setpoint_w == 3_000
    assert command.device_status == "PENDING"
    flip.acknowledge_command(command.id, "FAILED_OFFLINE")
    flip.acknowledge_command(command.id, "OK")
    noted = flip_server.received("acknowledgements")
    assert [note["device_status"] for note in noted] == ["FAILED_OFFLINE", "OK"]
    assert accepted(flip.commands())[0].device_status == "OK"


def test_a_wrong_acknowledgement_is_refused(flip: FlipClient, flip_server: Steering, site: str) -> None:
    command_id = flip_server.create_event(duration_s=600, mode="CHARGE")["command_ids"][0]
    with pytest.raises(InvalidFields):
        flip.acknowledge_command(command_id, "FINE")
    with pytest.raises(NotFound):
        flip.acknowledge_command("unknown", "OK")


def test_a_homeowner_opts_out_and_keeps_a_reserve(flip: FlipClient, flip_server: Steering, site: str) -> None:
    event_id = flip_server.create_event(duration_s=600, mode="DISCHARGE")["event_ids"][0]
    assert [(one.id, one.status) for one in accepted(flip.events(site))] == [(event_id, "UPCOMING")]
    keep = EventChanges(device_settings=(DeviceSetting(device_id="battery-1", backup_reserve_percentage=40),))
    assert flip.update_event(site, event_id, keep).device_settings[0].backup_reserve_percentage == 40
    assert accepted(flip.commands())[0].battery_commands.backup_reserve_percentage == 40
    assert flip.opt_out(site, event_id).is_participating is False
    assert accepted(flip.commands())[0].status == "OPT_OUT"
    assert flip.event(site, event_id).is_participating is False
    with pytest.raises(NotFound):
        flip.event(site, "unknown")


def test_an_event_that_is_over_cannot_be_left(flip: FlipClient, flip_server: Steering, site: str) -> None:
    event_id = flip_server.create_event(start_in_s=0, duration_s=60, mode="DISCHARGE")["event_ids"][0]
    flip_server.advance(61)
    assert flip.event(site, event_id).status == "COMPLETED"
    with pytest.raises(Conflict, match="COMPLETED"):
        flip.opt_out(site, event_id)


def test_an_expired_site_token_is_renewed_unseen(flip: FlipClient, flip_server: Steering, site: str) -> None:
    flip.site(site)
    flip.site(site)
    assert len(calls(flip_server, "/v1/auth")) == 1
    flip_server.advance(3_601)
    assert flip.site(site).id == site
    assert calls(flip_server, f"/v1/site/{site}") == [200, 200, 401, 200]
    assert len(calls(flip_server, "/v1/auth")) == 2


def test_a_token_that_stays_refused_is_renewed_only_once(flip: FlipClient, flip_server: Steering, site: str) -> None:
    flip_server.inject(path="/v1/site/", status=401, times=10)
    with pytest.raises(Refused):
        flip.site(site)
    assert calls(flip_server, "/v1/site/") == [401, 401]


def test_a_wrong_client_token_is_refused_with_the_variable_to_set(flip_settings: Settings) -> None:
    with FlipClient(flip_settings.flip_base_url, SecretStr("wrong")) as client:
        with pytest.raises(Refused, match="FLEET_FLIP_TOKEN"):
            client.sites()
        with pytest.raises(Refused):
            client.site("site-1")


def test_without_a_token_nothing_is_sent(flip_settings: Settings, flip_server: Steering) -> None:
    with FlipClient(flip_settings.flip_base_url, SecretStr("")) as client, pytest.raises(NotConfigured):
        client.commands()
    assert flip_server.received("requests") == []


@pytest.mark.parametrize("site_id", ["a/../b", "käse", "50%", "a b", "a?b#c"])
def test_an_id_with_odd_characters_stays_one_part_of_the_path(flip: FlipClient, site_id: str) -> None:
    with pytest.raises(NotFound):
        flip.site(site_id)


@pytest.mark.parametrize("site_id", ["", ".", ".."])
def test_an_id_that_cannot_be_a_path_s_part_is_refused(flip: FlipClient, site_id: str) -> None:
    with pytest.raises(InvalidInput):
        flip.site(site_id)


def test_an_answer_that_was_lost_is_safe_to_ask_for_again(flip: FlipClient, flip_server: Steering) -> None:
    flip_server.inject(path="/v1/commission", status=502, is_after=True)
    assert isinstance(flip.commission(commissioning()), AlreadyExists)
    assert calls(flip_server, "/v1/commission") == [502, 409]
    assert len(flip.sites()) == 1


def test_an_application_is_never_sent_twice_blindly(flip: FlipClient, flip_server: Steering, site: str) -> None:
    flip_server.inject(path=f"/v1/site/{site}/enrollments", status=502, is_after=True)
    with pytest.raises(Unavailable):
        flip.enroll(site, application())
    assert len(flip.enrollments(site)) == 1


def test_an_outage_is_unavailable_and_ends(flip_settings: Settings, flip_server: Steering) -> None:
    waits: list[float] = []
    with FlipClient(
        flip_settings.flip_base_url, flip_settings.flip_token, retries=RetryPolicy(attempts=3), sleep=waits.append
    ) as client:
        flip_server.outage(True)
        with pytest.raises(Unavailable, match="503"):
            client.sites()
        assert len(waits) == 2
        flip_server.heal()
        assert client.sites() == []


def test_a_slow_answer_is_unavailable_and_not_asked_for_again(flip_settings: Settings, flip_server: Steering) -> None:
    flip_server.inject(path="/v1/sites", latency_s=1)
    with FlipClient(flip_settings.flip_base_url, flip_settings.flip_token, timeout_s=0.2) as client:
        with pytest.raises(Unavailable, match="may have done it"):
            client.sites()
        assert client.commands() == []
