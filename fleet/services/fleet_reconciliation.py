"""The ledger held against IoT Core and Flip, and what differs mended item by item."""

from collections.abc import Callable
from datetime import UTC, datetime

from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres import Connection, connect, one, run
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.adapters.postgres.flip_requests import FlipRequests
from fleet.devices import ThingName
from fleet.errors import Conflict, NotFound
from fleet.provisioning.differences import AtIotCore, Books, Difference, Differences, Repair, compare
from fleet.provisioning.steps import Step
from fleet.services import reconciliation
from fleet.services.transferring import transfer
from fleet.settings import Settings

_HOMES_AT_ONCE = 25


def at_iot_core(connection: Connection, core: IotCore) -> Differences:
    """What differs between our books and IoT Core, which is asked first: what is made meanwhile is in the books."""
    seen = AtIotCore(core.things(), core.certificates())
    return compare(seen, _books(connection))


def at_flip(connection: Connection, flip: FlipClient) -> Differences:
    """Homes and batteries that Flip has and nobody registered, and homes whose account is gone."""
    here, only_there = reconciliation.homes_of_both(connection, flip)
    why = "ask Flip to remove it"
    found = [Difference("home that only Flip has", site_id, "", why, Repair.NONE) for site_id in only_there]
    for start in range(0, len(here), _HOMES_AT_ONCE):
        batch = reconciliation.compare(connection, flip, here[start : start + _HOMES_AT_ONCE])
        found += [
            Difference("battery that only Flip has", thing, site_id, "nobody registered it at this home",
                       Repair.REMOVE_AT_FLIP)
            for thing, site_id in batch.strangers
        ]  # fmt: skip
        found += [
            Difference("home that was not compared", site_id, "", problem, Repair.NONE)
            for site_id, problem in batch.unread
        ]
    return tuple(sorted(found, key=lambda each: (each.what, each.subject, each.of)))


def without_account(connection: Connection) -> Differences:
    """Homes with batteries whose account is gone."""
    if not one(run(connection, "ownership.has_accounts"))["has_accounts"]:
        return ()
    rows = run(connection, "ownership.homes_without_account").fetchall()
    return tuple(
        Difference("home without account", row["site_id"], row["thing_names"], "its account is gone", Repair.GIVE_UP)
        for row in rows
    )


class Mender:
    """Mends one difference at a time. `makes` and `removes` are the settings of the two jobs' roles."""

    def __init__(self, makes: Settings, removes: Settings) -> None:
        self._settings, self._maker, self._remover = makes, IotCore(makes), IotCore(removes)
        self._ways: dict[Repair, Callable[[Connection, Difference], str]] = {
            Repair.REGISTER: self._register,
            Repair.DELETE_THING: self._delete_thing,
            Repair.DELETE_CERTIFICATE: self._delete_certificate,
            Repair.DEACTIVATE: self._deactivate,
            Repair.GIVE_UP: self._give_up,
            Repair.REMOVE_AT_FLIP: self._remove_at_flip,
        }

    def mend(self, difference: Difference) -> str:
        """Do what was shown, unless it is not so any more; a sentence. May be repeated. Raises `FleetError`."""
        with connect(self._settings) as connection:
            return self._ways[difference.repair](connection, difference)

    def _register(self, connection: Connection, difference: Difference) -> str:
        name, ledger = ThingName(difference.of or difference.subject), DeviceLedger(connection)
        with ledger.claimed(name):
            entry = ledger.entry(name)
            if entry.step is not Step.DONE or entry.is_revoked or entry.certificate_id is None:
                raise Conflict(f"{name} is not in service any more: nothing was done.")
            certificate = self._maker.certificate(entry.certificate_id)
            self._maker.register(name, ledger.model(name), certificate)
        return f"{name} is registered again"

    def _delete_thing(self, connection: Connection, difference: Difference) -> str:
        name, ledger = ThingName(difference.subject), DeviceLedger(connection)
        with ledger.claimed(name):
            if _is_in_the_books(ledger, name):
                raise Conflict(f"{name} is in the ledger by now: nothing was done.")
            attached = [arn.rpartition("/")[2] for arn in self._remover.certificates_of(name)]
            self._remover.retire(name, *attached)
        return f"{name} is deleted"

    def _delete_certificate(self, connection: Connection, difference: Difference) -> str:
        if run(connection, "devices.is_in_use", certificate_id=difference.subject).fetchone() is not None:
            raise Conflict(f"The certificate {difference.subject[:12]} is a device's by now: nothing was done.")
        things = [ThingName(name) for name in difference.of.split(", ") if name]
        self._remover.end_certificate(difference.subject, *things)
        return f"the certificate {difference.subject[:12]} is deleted"

    def _deactivate(self, connection: Connection, difference: Difference) -> str:
        name, ledger = ThingName(difference.of), DeviceLedger(connection)
        with ledger.claimed(name):
            if difference.subject not in ledger.revoked_certificates(name):
                raise Conflict(f"{name} was let in again: nothing was done.")
            self._remover.set_status(difference.subject, is_active=False)
        return f"the certificate {difference.subject[:12]} is inactive"

    def _give_up(self, connection: Connection, difference: Difference) -> str:
        said = [
            f"{name} {transfer(connection, ThingName(name), '', datetime.now(UTC))}"
            for name in difference.of.split(", ")
            if name
        ]
        return "; ".join(said)

    def _remove_at_flip(self, connection: Connection, difference: Difference) -> str:
        asked = FlipRequests(connection).ask_to_remove([(difference.subject, difference.of)])
        if not asked:
            raise Conflict(f"That {difference.subject} left is not on record, or Flip is asked already: nothing done.")
        return f"Flip is asked to let {difference.subject} go"


def _books(connection: Connection) -> Books:
    devices = run(connection, "devices.books").fetchall()
    certificates = run(connection, "devices.certificate_books").fetchall()
    return Books(
        {row["thing_name"]: (row["step"], row["certificate_id"]) for row in devices},
        {row["certificate_id"]: (row["thing_name"], row["ended_by"]) for row in certificates},
    )


def _is_in_the_books(ledger: DeviceLedger, name: ThingName) -> bool:
    try:
        return ledger.entry(name).step is not Step.RETIRED
    except NotFound:
        return False
