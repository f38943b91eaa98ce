"""The bill, against amounts reckoned by hand from the table's prices."""

from dataclasses import replace

import msgspec
import pytest

from fleet.capacity.bill import bill, databases, workers
from fleet.capacity.estimate import estimate
from fleet.capacity.prices import PriceTable, price_table
from fleet.capacity.workload import Workload, load_of, samples_in_a_block
from fleet.errors import InvalidInput

THOUSAND = Workload(1_000, sample_s=5, publish_s=60, live_hours_per_month=0)


@pytest.fixture
def table() -> PriceTable:
    return price_table()


def amounts(workload: Workload, region: str = "us-east-1") -> dict[str, float]:
    return {line.item: line.usd for line in bill(workload, region, price_table())}


def test_a_thousand_devices_by_hand(table: PriceTable) -> None:
    """43,800 minutes a month make 43.8 million messages of 12 samples: 620 + 12 * 70 = 1,460 bytes, metered once."""
    load = load_of(THOUSAND, table)
    assert (load.samples_per_message, load.message_bytes) == (12, 1_460)
    assert load.messages_per_month == pytest.approx(43.8e6)
    found = amounts(THOUSAND)
    assert found["iot_connection"] == pytest.approx(43.8 * 0.08)
    assert found["iot_rule"] == found["iot_action"] == pytest.approx(43.8 * 0.15)
    # Each is sent alone, ten are received and deleted at once; ten are 14,600 bytes, one request.
    assert found["sqs_request"] == pytest.approx(43.8 * 1.2 * 0.40)
    assert found["iot_message"] == pytest.approx(1_000 * 30 * 2 / 1e6)
    assert found["api_gateway_request"] == pytest.approx(1_000 * 30 * 4 * 3.50 / 1e6)
    # 12 samples a message for a year, 10 bytes each: 63.1 GB.
    assert found["s3_storage"] == pytest.approx(43.8e6 * 12 * 12 * 10 / 1e9 * 0.023)


def test_hours_that_a_battery_is_live_are_messages_more() -> None:
    """Ten hours at a message each 5 s are 7,200 instead of 600 a device."""
    live, quiet = amounts(replace(THOUSAND, live_hours_per_month=10)), amounts(THOUSAND)
    assert live["iot_rule"] - quiet["iot_rule"] == pytest.approx(6.6 * 0.15)
    assert live["sqs_request"] - quiet["sqs_request"] == pytest.approx(6.6 * 1.2 * 0.40)
    assert live["s3_storage"] == quiet["s3_storage"], "the samples are the same"
    slower = amounts(replace(THOUSAND, live_s=600, live_hours_per_month=700))
    assert slower["iot_rule"] == pytest.approx(quiet["iot_rule"]), "live is never slower than otherwise"


def test_the_brokers_fee_is_what_basic_ingest_saves() -> None:
    through_the_broker = amounts(replace(THOUSAND, basic_ingest=False))
    assert through_the_broker["iot_message"] - amounts(THOUSAND)["iot_message"] == pytest.approx(43.8)


def test_a_sample_a_message_is_metered_twelve_times_and_not_once(table: PriceTable) -> None:
    found = estimate(THOUSAND, "us-east-1", table)
    naive = {line.item: line.usd for line in found.naive}
    assert naive["iot_rule"] == pytest.approx(12 * 43.8 * 0.15)
    assert naive["iot_message"] == pytest.approx(12 * 43.8 + 0.06)
    assert naive["sqs_request"] == pytest.approx(12 * 43.8 * 1.2 * 0.40)
    assert found.naive_usd_month > 3 * found.usd_month


def test_tiers_are_priced_each_for_its_part(table: PriceTable) -> None:
    assert table.prices["iot_message"].usd(6e9) == pytest.approx(1_000 + 4_000 * 0.8 + 1_000 * 0.7)
    assert table.prices["iot_message"].usd(0) == 0


def test_a_dearer_region_costs_aws_its_factor_and_supabase_nothing_more() -> None:
    here, tokyo = amounts(THOUSAND), amounts(THOUSAND, "ap-northeast-1")
    assert tokyo["iot_rule"] == pytest.approx(1.2 * here["iot_rule"])
    assert tokyo["supabase_disk"] == here["supabase_disk"]


def test_the_database_grows_with_the_days_that_raw_samples_are_kept(table: PriceTable) -> None:
    """A day: 17.28 million samples of 50 bytes. 90 days of minutes of 50 bytes and two years of hours of 300 stay."""
    a_week = databases(THOUSAND, table)
    assert (a_week.count, a_week.size.name) == (1, "small")
    rollups = 90 * 1.44e6 * 50 + 730 * 24e3 * 300
    assert a_week.gb_each == pytest.approx((7 * 17.28e6 * 50 + rollups) / 1e9)
    assert databases(replace(THOUSAND, keep_days=60), table).size.name == "medium"


def test_rows_a_second_ask_for_databases_too(table: PriceTable) -> None:
    """800,000 samples a second at 300,000 a database are three, however much room each of them has."""
    roomy = msgspec.structs.replace(table.supabase[-1], database_gb=1e9)
    assert databases(Workload(4_000_000), msgspec.structs.replace(table, supabase=[roomy])).count == 3


def test_workers_follow_the_measured_cost(table: PriceTable) -> None:
    load = load_of(Workload(1_000_000), table)
    a_second = 1e6 / 60 * (table.measure("ingest_us_per_message") + 12 * table.measure("ingest_us_per_sample")) / 1e6
    assert workers(load, table) - 1 < a_second / table.measure("worker_busy_share") <= workers(load, table)
    assert workers(load_of(Workload(1), table), table) == 1


def test_a_message_a_little_above_the_metered_size_gets_advice(table: PriceTable) -> None:
    assert samples_in_a_block(table) == 64
    often = replace(THOUSAND, sample_s=1, publish_s=66)
    assert "publishing each 64 s instead of each 66 s" in estimate(often, "us-east-1", table).advice
    assert estimate(replace(often, publish_s=64), "us-east-1", table).advice == ""


def test_every_price_quota_and_measurement_has_its_source(table: PriceTable) -> None:
    assert all(row.source for rows in (table.prices, table.quotas, table.measured) for row in rows.values())


def test_an_unknown_region_is_refused_in_a_sentence(table: PriceTable) -> None:
    with pytest.raises(
        InvalidInput, match="no prices for the region 'moon-1': the table has ap-northeast-1, eu-west-1"
    ):
        estimate(THOUSAND, "moon-1", table)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"devices": 0}, "A fleet of 0 devices cannot be priced"),
        ({"devices": 2_000_000_000}, "use 1 to 1,000,000,000"),
        ({"sample_s": 0}, "use 10ms to 1d"),
        ({"live_s": 0}, "use 10ms to 1d"),
        ({"live_hours_per_month": 800}, "use 0 to 730"),
        ({"sample_s": 60, "publish_s": 5}, "publish as often as you sample or less often"),
        ({"keep_days": 0.05}, "cannot be kept for 0.05 days: use 2h"),
    ],
)
def test_a_fleet_that_cannot_be_is_refused_in_a_sentence(wrong: dict[str, float], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        Workload(**{"devices": 10, **wrong})  # type: ignore[arg-type]
