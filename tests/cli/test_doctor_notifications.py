"""What `fleet doctor` says of where alarms go."""

from pydantic import SecretStr

from cli import doctor
from fleet.settings import Settings


def test_alarms_that_notify_nobody_are_told_with_what_to_set() -> None:
    assert doctor._notifications(Settings()) == "alarms notify nobody: set FLEET_NOTIFY_URL (docs/watching.md)"


def test_the_block_is_named_and_its_address_is_not() -> None:
    told = doctor._notifications(Settings(notify_url=SecretStr("https://hooks.example.com/T0KEN")))
    assert "custom-webhook/flip-fleet" in told and "T0KEN" not in told
    assert "slack-webhook/on-call" in doctor._notifications(Settings(notify_block="slack-webhook/on-call"))
