"""A log line for machines says what it is about, and shows no secret."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from fleet.errors import InvalidInput
from fleet.logs import HIDDEN, JsonFormatter, configure, thing_name
from fleet.settings import Settings, secrets_of

CHECKOUT = Path(__file__).parents[2]


def line(formatter: JsonFormatter, message: str, *values: object, **about: Any) -> dict[str, str]:
    exc_info = about.pop("exc_info", None)
    record = logging.LogRecord("fleet.x", logging.WARNING, __file__, 1, message, values, exc_info)
    vars(record).update(about)
    return dict(json.loads(formatter.format(record)))


def test_a_line_is_an_object_with_time_level_logger_and_message() -> None:
    written = line(JsonFormatter(), "%d messages of %s", 3, "ünïcode")
    assert {name: written[name] for name in ("level", "logger", "message")} == {
        "level": "WARNING",
        "logger": "fleet.x",
        "message": "3 messages of ünïcode",
    }
    assert written["at"].endswith("+00:00")
    assert len(written) == 4, "what is not known is not there"


def test_a_record_says_what_it_is_about_before_the_process_does() -> None:
    formatter = JsonFormatter(flow_run_id="of-the-process")
    token = thing_name.set("battery-1")
    assert line(formatter, "x")["thing_name"] == "battery-1"
    assert line(formatter, "x")["flow_run_id"] == "of-the-process"
    assert line(formatter, "x", flow_run_id="r-1", task_run_name="slice")["flow_run_id"] == "r-1"
    assert line(formatter, "x", thing_name="battery-2")["thing_name"] == "battery-2"
    thing_name.reset(token)
    assert "thing_name" not in line(formatter, "x")


def test_secrets_are_hidden_in_messages_and_traces() -> None:
    settings = Settings(
        flip_webhook_secret=SecretStr("whsec_oldoldold, whsec_newnewnew"),
        database_url=SecretStr("postgresql://u:p%40ssw0rd@db.example.com/x"),
        notify_url=SecretStr("https://hooks.example.com/T0KEN"),
    )
    formatter = JsonFormatter(lambda: secrets_of(settings))
    try:
        raise ValueError("postgresql://u:p%40ssw0rd@db.example.com/x said no to p@ssw0rd")
    except ValueError:
        told = ("whsec_newnewnew is not %s", "https://hooks.example.com/T0KEN")
        written = line(formatter, *told, exc_info=sys.exc_info())
    text = json.dumps(written)
    for secret in ("whsec_newnewnew", "p@ssw0rd", "p%40ssw0rd", "T0KEN"):
        assert secret not in text
    assert written["message"] == f"{HIDDEN} is not {HIDDEN}"
    assert f"ValueError: {HIDDEN} said no to {HIDDEN}" in written["trace"]


def test_another_format_is_refused_by_its_name() -> None:
    with pytest.raises(InvalidInput, match="'xml': use text or json"):
        configure("xml", logging.INFO)


def test_the_web_app_writes_json_too_and_hides_its_secrets(folder: Path) -> None:
    program = (
        "import logging, streamlit_app.app\n"
        "logging.getLogger('fleet.web').error('the key is %s', 'anon-key-of-the-web', extra={'thing_name': 'b-1'})\n"
        "logging.getLogger('streamlit.web').warning('of Streamlit')\n"
    )
    settings = {"FLEET_LOG_FORMAT": "json", "SUPABASE_ANON_KEY": "anon-key-of-the-web", "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, check=True, timeout=60)
    lines = [json.loads(each) for each in done.stderr.splitlines() if "of Streamlit" in each or "the key" in each]
    assert [(each["message"], each.get("thing_name")) for each in lines] == [
        (f"the key is {HIDDEN}", "b-1"),
        ("of Streamlit", None),
    ]
