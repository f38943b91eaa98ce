"""Mail through Amazon SES."""

from dataclasses import dataclass

from fleet.adapters import aws
from fleet.settings import Settings


@dataclass(frozen=True, repr=False)
class Mail:
    """One message to one address, as HTML and as plain text."""

    recipient: str
    subject: str
    html: str
    text: str


class Mailer:
    """Sends from `FLEET_SENDER_EMAIL`, which must be verified in SES. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._ses = aws.client(settings, "sesv2")
        self._sender = settings.sender_email

    def send(self, mail: Mail) -> str:
        """Hand the mail to SES. Returns its message id; raises a `FleetError` when SES refuses or is not reached."""
        with aws.translated("sending a mail"):
            answer = self._ses.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [mail.recipient]},
                Content={
                    "Simple": {
                        "Subject": {"Data": mail.subject, "Charset": "UTF-8"},
                        "Body": {
                            "Html": {"Data": mail.html, "Charset": "UTF-8"},
                            "Text": {"Data": mail.text, "Charset": "UTF-8"},
                        },
                    }
                },
            )
        return str(answer["MessageId"])
