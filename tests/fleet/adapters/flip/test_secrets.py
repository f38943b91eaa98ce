"""No token reaches a log, a repr or an error."""

import logging
import traceback

import pytest
from pydantic import SecretStr

from fleet.adapters.flip import FlipClient, RetryPolicy
from fleet.errors import FleetError, NotConfigured
from fleet.settings import Settings
from local_cloud.flip.steering import Steering
from tests.fleet.flip_examples import commissioning

SECRET = "client-token-of-the-stand-in"


def test_tokens_are_in_no_log_line_at_any_level(
    flip: FlipClient, flip_server: Steering, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        flip.commission(commissioning())
        site_secret = flip.site_token("site-1").get_secret_value()
        flip.site("site-1")
        flip_server.inject(path="/v1/site", status=401, times=2)
        with pytest.raises(FleetError):
            flip.site("site-1")
    assert "/v1/site/site-1" in caplog.text
    assert SECRET not in caplog.text
    assert site_secret not in caplog.text


def test_tokens_are_in_no_error_with_its_causes(flip_server: Steering) -> None:
    client = FlipClient("http://127.0.0.1:9", SecretStr(SECRET), retries=RetryPolicy(attempts=1))
    with pytest.raises(FleetError) as error, client:
        client.sites()
    shown = "".join(traceback.format_exception(error.value)) + repr(error.value.__cause__)
    assert "Connection refused" in shown
    assert SECRET not in shown


@pytest.mark.parametrize("token", [f"{SECRET}\n", f"{SECRET}\u2026"])
def test_a_token_that_no_header_takes_is_refused_and_not_shown(flip_settings: Settings, token: str) -> None:
    with (
        pytest.raises(NotConfigured, match="FLEET_FLIP_TOKEN") as error,
        FlipClient(flip_settings.flip_base_url, SecretStr(token)) as client,
    ):
        client.sites()
    assert SECRET not in "".join(traceback.format_exception(error.value))


def test_tokens_are_in_no_repr(flip: FlipClient, flip_settings: Settings) -> None:
    parts = [
        flip,
        flip._session,
        flip._transport,
        flip._transport._http,
        flip_settings,
        vars(flip),
        vars(flip._session),
    ]
    assert SECRET not in "".join(repr(part) for part in parts)
