"""The mails that SES of the embedded cloud was given: nobody receives them, so the demo shows their codes."""

import re
from typing import Any

import httpx

_CODE = re.compile(r"\b\d{6}\b")


class Mailbox:
    """Reads each mail once."""

    def __init__(self, aws_endpoint_url: str) -> None:
        self._url = f"{aws_endpoint_url}/_ministack/ses/messages"
        self._seen = {mail["MessageId"] for mail in self._mails()}

    def new_codes(self) -> list[tuple[str, str]]:
        """Recipient and sign-in code of every mail since the last call."""
        found = []
        for mail in self._mails():
            if mail["MessageId"] not in self._seen and (code := _CODE.search(mail.get("BodyText", ""))):
                found.append((", ".join(mail["To"]), code[0]))
            self._seen.add(mail["MessageId"])
        return found

    def _mails(self) -> list[dict[str, Any]]:
        answer = httpx.get(self._url, timeout=10).raise_for_status().json()
        return [mail for sent in answer["messages"].values() for mail in sent]
