"""Mail goes through SES; what SES says no to is told in one sentence."""

import pytest

from fleet.adapters import aws
from fleet.adapters.aws.ses import Mail, Mailer
from fleet.errors import FleetError
from fleet.settings import Settings
from local_cloud.aws.inspection import sent_mails

pytestmark = pytest.mark.integration
MAIL = Mail("reader@example.org", "Grüße, <b>", "<p>Hällo</p>", "Hällo")


def test_a_mail_arrives_as_it_was_written(aws_settings: Settings) -> None:
    settings = aws_settings.model_copy(update={"sender_email": "mail-test@example.org"})
    aws.client(settings, "ses").verify_email_identity(EmailAddress=settings.sender_email)
    assert Mailer(settings).send(MAIL)
    (sent,) = [mail for mail in sent_mails(settings) if mail["To"] == [MAIL.recipient]]
    assert (sent["Source"], sent["Subject"]) == (settings.sender_email, MAIL.subject)
    assert (sent["BodyHtml"], sent["BodyText"]) == (MAIL.html, MAIL.text)


def test_an_unverified_sender_is_refused(aws_settings: Settings) -> None:
    settings = aws_settings.model_copy(update={"sender_email": "nobody@example.net"})
    with pytest.raises(FleetError, match="sending a mail"):
        Mailer(settings).send(MAIL)
