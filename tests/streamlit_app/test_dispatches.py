"""A dispatch's figures, its chart in words, and the CSV that proves it."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pandas as pd
import pytest

from streamlit_app.dispatch_chart import power_chart, power_frame, power_in_words
from streamlit_app.dispatch_csv import dispatch_csv
from streamlit_app.services.dispatches import (
    AskedPower,
    DeviceReport,
    DispatchKey,
    FleetPower,
    Gap,
    PowerBucket,
    summary,
)

START = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
KEY = DispatchKey(START, START + timedelta(minutes=10), "DISCHARGE")


def device(**changes: Any) -> DeviceReport:
    return DeviceReport(**{"thing_name": "battery-1", "command_id": "cmd_1", "state": "done", **changes})


def rows(*devices: DeviceReport) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(dispatch_csv(KEY, 180, devices).decode(), newline="")))


def test_a_dispatch_is_summed_up_over_its_batteries() -> None:
    figures = summary(
        [
            device(asked_energy_wh=300.0, asked_while_measured_wh=250.0, measured_energy_wh=240.0, reported="OK",
                   gap_count=1, data_standing="late"),
            device(asked_energy_wh=300.0, state="failed", reason="too hot", reported="FAILED_FAULT",
                   report_standing="late"),
            device(flip_status="OPT_OUT", state="canceled", report_standing="overdue"),
        ]
    )  # fmt: skip
    assert (figures.energies.asked_wh, figures.energies.share_pct, figures.energies.late) == (600, 96, ("battery-1",))
    assert (figures.energies.measured_devices, figures.devices) == (1, 3)
    assert (figures.reported_ok, figures.reported_failed, figures.reported_late) == (1, 1, 2)
    assert (figures.states, figures.failures) == ({"done": 1, "failed": 1, "canceled": 1}, {"too hot": 1})
    assert (figures.opted_out, figures.canceled, figures.devices_with_gaps) == (1, 0, 1)


def test_the_csv_has_units_utc_and_every_gap() -> None:
    pacific = START.astimezone(ZoneInfo("America/Los_Angeles"))
    gap = Gap(START, START + timedelta(minutes=4))
    (row,) = rows(
        device(
            measured_energy_wh=333.25,
            asked_while_measured_wh=333.333,
            data_standing="complete",
            setpoint_w=2000.0,
            acknowledged_at=pacific,
            gaps=[gap],
            gap_count=1,
        )
    )
    assert (row["starts_at_utc"], row["acknowledged_at_utc"]) == ("2026-11-24T17:00:00.000Z",) * 2
    assert (row["measured_energy_wh"], row["setpoint_w"], row["asked_energy_wh"]) == ("333.25", "2000", "")
    assert (row["delivered_share_pct"], row["readings"]) == ("99.975", "complete")
    assert row["gaps_above_180_s"] == "1"
    assert row["gaps_utc"] == "2026-11-24T17:00:00.000Z/2026-11-24T17:04:00.000Z"
    assert all(name.endswith(("_utc", "_w", "_wh", "_s", "_pct")) for name in row if "energy" in name or "_at" in name)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", '=HYPERLINK("http://x")'])
def test_a_text_that_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    (row,) = rows(device(reason=text))
    assert row["reason"] == "'" + text


def test_a_number_below_zero_stays_a_number_and_a_comma_stays_in_its_cell() -> None:
    (row,) = rows(device(clock_skew_s=-2.5, reason='a, "b"\nc'))
    assert (row["clock_skew_s"], row["reason"]) == ("-2.5", 'a, "b"\nc')


def test_a_dispatch_without_batteries_is_a_header() -> None:
    assert dispatch_csv(KEY, 180, []).decode() == "battery\r\n"


def power(*minutes: int) -> FleetPower:
    buckets = [
        PowerBucket(
            bucket_start=START + timedelta(minutes=minute),
            devices=2,
            charge_power_w=0,
            discharge_power_w=1000 * (minute + 1),
        )
        for minute in minutes
    ]
    return FleetPower(bucket_s=60, window_end=START + timedelta(minutes=3), buckets=buckets)


def test_the_chart_is_in_words_over_the_window_alone() -> None:
    text = power_in_words(power(-1, 0, 1, 2, 3), KEY)
    assert text.startswith("Discharging: mean 2.00 kW, at most 3.00 kW. Charging: mean 0.00 kW")
    assert text.endswith("Readings of 2 to 2 batteries at a time.")
    assert power_in_words(power(), KEY) == "There are no readings from this time."


def test_a_pause_interrupts_the_line() -> None:
    table = power_frame(power(0, 1, 2, 5), UTC)
    assert len(table) == 10 and table["Power (kW)"].isna().sum() == 2
    assert isinstance(table["Time"].dtype, pd.DatetimeTZDtype)


def test_the_chart_shows_what_was_asked_for_and_when() -> None:
    steps = [AskedPower(at=START, power_w=4000), AskedPower(at=START + timedelta(minutes=2), power_w=2000)]
    course = msgspec.structs.replace(power(0, 1, 2), asked=steps)
    layers = power_chart(course, KEY, UTC).to_dict()["layer"]
    assert len(layers) == 3 and layers[1]["mark"]["interpolate"] == "step-after"
    assert len(power_chart(power(), DispatchKey(START, None, "BACKUP"), UTC).to_dict()["layer"]) == 2


def test_a_power_that_no_battery_read_is_no_power_of_0() -> None:
    buckets = [PowerBucket(bucket_start=START, devices=1, discharge_power_w=1000)]
    course = FleetPower(bucket_s=60, window_end=START + timedelta(minutes=3), buckets=buckets)
    assert "Discharging: mean 1.00 kW, at most 1.00 kW. Charging: not measured." in power_in_words(course, KEY)
    assert power_frame(course, UTC)["Power (kW)"].isna().tolist() == [True, False]
