"""Looking into the emulator: what no AWS API tells, such as the mails that were sent. For who holds its root key."""

import hmac
from typing import Any

import httpx

from fleet.settings import Settings

HEADER = "X-Inspection-Token"


def token(secret_access_key: str) -> str:
    """What opens the emulator's own routes. Made of the root's secret, which itself is sent to nobody."""
    return hmac.new(secret_access_key.encode(), b"inspection", "sha256").hexdigest()


def sent_mails(settings: Settings) -> list[dict[str, Any]]:
    """Every mail that SES was given, oldest first a sender."""
    headers = {HEADER: token(settings.aws_secret_access_key.get_secret_value())}
    url = f"{settings.aws_endpoint_url}/_ministack/ses/messages"
    answer = httpx.get(url, headers=headers, timeout=20).raise_for_status().json()
    return [mail for mails in answer["messages"].values() for mail in mails]
