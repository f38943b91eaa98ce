"""Which limit comes first, against quotients reckoned by hand."""

from dataclasses import replace

from fleet.capacity.limits import Limit, limits
from fleet.capacity.prices import price_table
from fleet.capacity.workload import Workload


def by_name(workload: Workload) -> dict[str, Limit]:
    return {limit.name: limit for limit in limits(workload, price_table())}


def test_the_largest_fleet_of_each_limit_by_hand() -> None:
    found = by_name(Workload(1_000, sample_s=5, publish_s=60))
    assert found["IoT connections"].devices == 500_000
    assert found["IoT publishes a second"].devices == 20_000 * 60
    assert found["IoT rule evaluations a second"].devices == 20_000 * 60
    assert found["IoT connects a second after an outage"].devices == 500 * 60
    assert abs((found["SQS messages in flight"].devices or 0) - 120_000 / 2 * 60) <= 1
    assert found["samples a second into one database"].devices == 300_000 * 5
    assert found["requests to Flip, one after the other, in 300 s"].devices == 300 * 1_000


def test_the_largest_fleet_does_not_depend_on_how_large_this_one_is() -> None:
    small, large = by_name(Workload(1_000)), by_name(Workload(10_000_000))
    for name, limit in small.items():
        assert abs((limit.devices or 0) - (large[name].devices or 0)) <= 1, name


def test_samples_sent_one_by_one_meet_the_publish_quota_twelve_times_earlier() -> None:
    batches = Workload(1_000)
    single = replace(batches, publish_s=batches.sample_s)
    assert by_name(single)["IoT publishes a second"].devices == 100_000
    assert by_name(batches)["IoT publishes a second"].devices == 1_200_000


def test_an_event_of_the_whole_fleet_meets_the_publish_quota_first() -> None:
    name = "IoT publishes a second, all of them live"
    assert by_name(Workload(1_000))[name].devices == 100_000
    assert by_name(Workload(1_000, live_s=30))[name].devices == 600_000


def test_limits_come_in_the_order_in_which_a_growing_fleet_meets_them() -> None:
    found = limits(Workload(1_000), price_table())
    names = [
        "IoT connects a second after an outage",
        "IoT publishes a second, all of them live",
        "requests to Flip, one after the other, in 300 s",
    ]
    assert [limit.name for limit in found[:3]] == names
    assert [limit.devices for limit in found[:3]] == [30_000, 100_000, 300_000]
    disks = [by_name(Workload(1_000, keep_days=days))["disk of one database"].devices for days in (2, 7, 30)]
    assert disks == [742_721, 562_303, 265_561]


def test_a_limit_is_met_beyond_its_largest_fleet_and_not_at_it() -> None:
    assert not by_name(Workload(500_000))["IoT connections"].is_met
    assert by_name(Workload(500_001))["IoT connections"].is_met


def test_a_message_that_no_fleet_may_send_is_a_limit_for_every_fleet() -> None:
    found = limits(Workload(1, sample_s=1, publish_s=2_000), price_table())
    assert (found[0].name, found[0].devices, found[0].is_met) == ("size of an IoT message", 0, True)
    assert by_name(Workload(1))["size of an IoT message"].devices is None


def test_a_connection_may_publish_a_hundred_times_a_second() -> None:
    found = by_name(Workload(1, sample_s=0.01, publish_s=0.01))
    assert not found["publishes a second of one connection"].is_met
