"""Why a registration link is not accepted: one type each, with the sentence that the homeowner reads.

A stranger who cannot sign learns nothing of a battery: an unknown certificate and a wrong signature read alike. The
other sentences are for whoever holds a link that a battery really signed.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class LinkRefusal:
    """An expected outcome of `verify_link`. `sentence` says what is wrong and what to do."""

    sentence: ClassVar[str]


@dataclass(frozen=True)
class Malformed(LinkRefusal):
    """No compact JWS with our header and claims, longer than a link can be, or made to live too long."""

    sentence = "This is not a registration link: scan the code on your battery again, or copy the whole link."


@dataclass(frozen=True)
class UnknownCertificate(LinkRefusal):
    """IoT Core has no certificate of the id that the link names."""

    sentence = "This link was not made by one of our batteries: scan the code on your battery again."


@dataclass(frozen=True)
class WrongSignature(LinkRefusal):
    """Not signed with the certificate's key, or with an algorithm that is not the key's."""

    sentence = UnknownCertificate.sentence


@dataclass(frozen=True)
class WrongAudience(LinkRefusal):
    """Signed for a web app at another address."""

    sentence = "This link is for another website: open it at the address that it was made for, or ask your installer."


@dataclass(frozen=True)
class CertificateInactive(LinkRefusal):
    """The certificate is not ACTIVE, or outside its own dates."""

    sentence = "This battery is not in service: ask your installer."


@dataclass(frozen=True)
class NotAttached(LinkRefusal):
    """The certificate is not attached to the thing that the link names, or not to that one alone."""

    sentence = "This battery cannot prove who it is: ask your installer."


@dataclass(frozen=True)
class FromTheFuture(LinkRefusal):
    """Issued later than now by more than the leeway: the device's clock is fast."""

    sentence = (
        "Your battery's clock is fast: connect the battery to the internet, wait five minutes, and have it show a new "
        "link."
    )


@dataclass(frozen=True)
class Expired(LinkRefusal):
    """Past its time by more than the leeway, or from a device whose clock is slow."""

    sentence = (
        "This link is too old: have your battery show a new one. If that is too old as well, the battery's clock is "
        "slow: connect it to the internet first."
    )
