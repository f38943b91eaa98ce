"""Where our ledger, IoT Core and Flip disagree on which battery there is, and what can be done about each."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

_SHOWN = 200


class Repair(Enum):
    """What mends a difference; each looks once more before it does anything."""

    NONE = "look at it"
    REGISTER = "thing and certificate are tied together again"
    DELETE_THING = "thing and certificates are deleted"
    DELETE_CERTIFICATE = "the certificate is deleted"
    DEACTIVATE = "the certificate is made inactive"
    GIVE_UP = "its batteries are nobody's"
    REMOVE_AT_FLIP = "Flip is asked to let it go"


@dataclass(frozen=True, order=True)
class Difference:
    """`subject` is what it is about: a thing, a certificate's id, a home's. `of` is what that belongs to, if any."""

    what: str
    subject: str
    of: str
    detail: str
    repair: Repair

    def row(self) -> dict[str, str]:
        """For people."""
        return {
            "what": self.what, "which": self.subject, "of": self.of, "detail": self.detail, "repair": self.repair.value
        }  # fmt: skip


Differences = tuple[Difference, ...]


@dataclass(frozen=True)
class AtIotCore:
    """The fleet's things, and its certificates by id: whether each is active, and the things that it is attached to."""

    things: frozenset[str]
    certificates: Mapping[str, tuple[bool, frozenset[str]]]


@dataclass(frozen=True)
class Books:
    """Our own: each device's step and certificate, and of each certificate whose it is and how it ended (or empty)."""

    devices: Mapping[str, tuple[str, str | None]]
    certificates: Mapping[str, tuple[str, str]]


def compare(aws: AtIotCore, books: Books) -> Differences:
    """What is wrong between IoT Core and our books. A device that is on its way in or out is no difference."""
    found = [*_things(aws, books), *_certificates(aws, books), *_rows(aws, books)]
    return tuple(sorted(found, key=lambda one: (one.what, one.subject, one.of)))


def _things(aws: AtIotCore, books: Books) -> Iterator[Difference]:
    with_one = {thing for _, things in aws.certificates.values() for thing in things}
    for thing in aws.things:
        step, certificate_id = books.devices.get(thing, ("", None))
        if step in ("", "retired"):
            why = "it is out of service" if step else "no device of this name is in the ledger"
            yield Difference("thing without row", thing, "", why, Repair.DELETE_THING)
        elif step == "done" and thing not in with_one:
            is_there = (
                certificate_id in aws.certificates and not books.certificates.get(certificate_id or "", ("", ""))[1]
            )
            why = "the ledger's is there" if is_there else "the ledger's is gone: decommission it"
            yield Difference("thing without certificate", thing, "", why, Repair.REGISTER if is_there else Repair.NONE)


def _certificates(aws: AtIotCore, books: Books) -> Iterator[Difference]:
    for certificate_id, (is_active, things) in aws.certificates.items():
        owner, ended_by = books.certificates.get(certificate_id or "", ("", ""))
        step, current = books.devices.get(owner, ("", None))
        if ended_by == "revoked" and step not in ("retired", ""):
            if is_active:
                yield Difference("revoked certificate is active", certificate_id, owner, "", Repair.DEACTIVATE)
        elif ended_by and step not in ("retiring",):
            yield Difference(
                "ended certificate is there", certificate_id, owner, f"it was {ended_by}", Repair.DELETE_CERTIFICATE
            )
        elif not owner and not things:
            yield Difference(
                "certificate without thing", certificate_id, "", "no device has or had it", Repair.DELETE_CERTIFICATE
            )
        elif not owner and things & books.devices.keys():
            yield Difference(
                "unknown certificate", certificate_id, ", ".join(sorted(things)), "no device has or had it: somebody "
                "else gave it to this thing", Repair.DELETE_CERTIFICATE,
            )  # fmt: skip
        elif not things and step == "done" and current == certificate_id and owner in aws.things:
            yield Difference("certificate without thing", certificate_id, owner, "it is the device's", Repair.REGISTER)


def _rows(aws: AtIotCore, books: Books) -> Iterator[Difference]:
    for thing, (step, certificate_id) in books.devices.items():
        if step == "done" and thing not in aws.things:
            is_there = certificate_id in aws.certificates
            why = "its certificate is there" if is_there else "its certificate is gone too: decommission it"
            yield Difference("row without thing", thing, "", why, Repair.REGISTER if is_there else Repair.NONE)
        elif step == "retiring":
            yield Difference("half decommissioned", thing, "", "run decommission-devices for it", Repair.NONE)


def markdown(differences: Iterable[Difference]) -> str:
    """A table for whoever approves."""
    rows = [one.row() for one in differences]
    lines = [f"| {' | '.join(row.values())} |".replace("| |", "| - |") for row in rows[:_SHOWN]]
    more = f"\nAnd {len(rows) - _SHOWN} more." if len(rows) > _SHOWN else ""
    return "\n".join(["| what | which | of | detail | repair |", "| --- | --- | --- | --- | --- |", *lines]) + more
