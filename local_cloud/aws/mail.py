"""SES asks IAM about identities. The emulator asks about `*` and says no sender: it refuses a policy that names one.

A mail is judged on every verified identity that it concerns: the sender's address and domain, and those of recipients
that are verified in the account too. Sources: Service authorization reference, "Actions, resources, and condition keys
for Amazon SES"; SES developer guide, "Sending authorization policies"; that recipients count is what senders were told
("not authorized to perform ses:SendRawEmail on resource identity/RECIPIENT").
"""

import json
from collections.abc import Iterable
from email.utils import parseaddr
from typing import Any

from ministack import app
from ministack.core.responses import get_account_id, get_region
from ministack.services import ses, ses_v2

_SEND = ("POST", "/v2/email/outbound-emails")


def be_strict() -> None:
    """From here on a mail's sender and identities are what IAM is asked about."""
    enforce: Any = app._enforce_ses_v2

    def authorized(method: str, path: str, headers: Any, body: bytes, query: Any, request_id: str) -> Any:
        if (method, path.rstrip("/")) != _SEND or not isinstance(mail := _parsed(body), dict):
            return enforce(method, path, headers, body, query, request_id)
        sender = parseaddr(str(mail.get("FromEmailAddress", "")))[1]
        action = "ses:SendRawEmail" if "Raw" in (mail.get("Content") or {}) else "ses:SendEmail"
        for identity in _concerned(sender, _recipients(mail)):
            arn = f"arn:aws:ses:{get_region()}:{get_account_id()}:identity/{identity}"
            says = {"ses:fromaddress": sender}
            if denied := app._enforce_data_plane(
                "sesv2", action, headers, query, request_id, arn, service_context=says, named_resource=arn
            ):
                return denied
        return None

    app._enforce_ses_v2 = authorized


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _recipients(mail: dict[str, Any]) -> list[str]:
    destination = mail.get("Destination") or {}
    written = [each for kind in ("To", "Cc", "Bcc") for each in destination.get(f"{kind}Addresses") or []]
    return [parseaddr(str(each))[1] for each in written]


def _concerned(sender: str, recipients: Iterable[str]) -> list[str]:
    """The sender's identities, its address if none is verified, and those of the recipients."""
    return [*(_verified(sender) or [sender]), *(identity for each in recipients for identity in _verified(each))]


def _verified(address: str) -> list[str]:
    names = (address, address.rpartition("@")[2])
    return [name for name in names if name in ses._identities or name in ses_v2._identities]
