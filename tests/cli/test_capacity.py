"""`fleet capacity`, as an operator types it."""

import json

import pytest
from typer.testing import CliRunner

from cli.app import app
from fleet.errors import InvalidInput


def test_a_million_devices_as_json() -> None:
    given = ["capacity", "--devices", "1e6", "--sample", "5s", "--publish", "60s", "--json"]
    found = json.loads(CliRunner().invoke(app, given, catch_exceptions=False).output)
    assert (found["devices"], found["samples_per_message"]) == (1_000_000, 12)
    assert found["usd_month"] == pytest.approx(sum(line["usd"] for line in found["lines"]), abs=0.01)
    assert found["usd_device_month"] == pytest.approx(found["usd_month"] / 1e6, abs=1e-6)
    assert found["first_limit"]["name"] == found["limits"][0]["name"]
    assert found["single_samples_through_the_broker"]["usd_month"] > found["usd_month"]


def test_a_person_reads_the_sum_the_first_limit_and_where_prices_are_from() -> None:
    output = CliRunner().invoke(app, ["capacity", "--devices", "10k"], catch_exceptions=False).output
    assert "10,000 devices in us-east-1" in output
    assert "a month, $0." in output
    assert (
        "The first limit: IoT connects a second after an outage, at 30,000 devices; this fleet is below it." in output
    )
    assert "each with its source in fleet/capacity/prices.toml" in output


def test_wrong_input_is_an_error_of_ours() -> None:
    result = CliRunner().invoke(app, ["capacity", "--sample", "often"])
    assert isinstance(result.exception, InvalidInput)
