"""The mails that SES of the embedded cloud was given: nobody receives them, so the demo shows their codes."""

import re

from fleet.settings import Settings
from local_cloud.aws.inspection import sent_mails

_CODE = re.compile(r"\b\d{6}\b")


class Mailbox:
    """Reads each mail once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen = {mail["MessageId"] for mail in sent_mails(settings)}

    def new_codes(self) -> list[tuple[str, str]]:
        """Recipient and sign-in code of every mail since the last call."""
        found = []
        for mail in sent_mails(self._settings):
            if mail["MessageId"] not in self._seen and (code := _CODE.search(mail.get("BodyText", ""))):
                found.append((", ".join(mail["To"]), code[0]))
            self._seen.add(mail["MessageId"])
        return found
