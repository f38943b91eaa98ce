"""Where the emulator serves what AWS serves at an address of its own."""

import pytest

from local_cloud.webhook_route import on_this_machine


@pytest.mark.parametrize(
    ("webhook_url", "expected"),
    [
        (
            "https://a1b2.execute-api.us-east-1.amazonaws.com/live/webhooks",
            "http://127.0.0.1:4566/restapis/a1b2/live/_user_request_/webhooks",
        ),
        ("", ""),
        ("https://example.com/live/webhooks", "https://example.com/live/webhooks"),
    ],
)
def test_the_route_s_address_on_this_machine(webhook_url: str, expected: str) -> None:
    assert on_this_machine(webhook_url, "http://127.0.0.1:4566") == expected
