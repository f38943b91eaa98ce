"""The demo's households as a first start leaves them, and all that a visitor may then do to one of their batteries."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from cli import households
from fleet.adapters import postgres
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.devices import ThingName
from fleet.errors import Conflict
from fleet.provisioning.steps import retire
from fleet.services.factory import factory_of
from local_cloud.flip.steering import Steering
from local_cloud.state import State
from streamlit_app.services import batteries, events, flip, operators, registration, sites
from streamlit_app.services.accounts import Account, Accounts
from streamlit_app.services.registration import CheckedLink
from streamlit_app.services.sign_in_caps import Visitor
from tests.dispatch_examples import add_event
from tests.homeowner_world import HomeownerWorld
from tests.supabase_project import new_address


@dataclass
class Neighbourhood:
    """The demo's batteries and households, and what a visitor has at hand. The battery `visited` is the first."""

    world: HomeownerWorld
    state: State
    accounts: Accounts
    sign_in: Callable[..., Account]
    flip_server: Steering
    folders: list[Path] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def start(self) -> list[str]:
        """What a start of the demo does with its households; the batteries that Flip has then."""
        self.said.clear()
        households.register(self.world.settings, self.state, self.folders, self.said.append)
        ready = households.commissioned(self.world.settings, self.folders, self.said.append)
        return [folder.name for folder in ready]

    @property
    def visited(self) -> Path:
        return self.folders[0]

    @property
    def owner(self) -> Account:
        """A visitor who signs in as the battery's household."""
        return self.sign_in(f"{self.visited.name}@example.org")

    @property
    def operator(self) -> Account:
        address = new_address()
        self.sign_in(address)
        self.world.make_operator(address)
        return self.sign_in(address)

    def register_as(self, account: Account) -> None:
        now, token = datetime.now(UTC), self.world.link(self.visited).partition("token=")[2]
        checked = registration.check(self.accounts.settings, token, now)
        assert isinstance(checked, CheckedLink)
        home = sites.Site(
            first_name="A", last_name="B", street_address="1 Way", city="C", state_code="CA", zip_code="88801"
        )
        registration.bind(self.accounts.settings, account, checked, sites.save(account, home), checked.details, now)

    def wait_for_mails(self) -> None:
        """The minute that Supabase lets pass between two mails to one address."""
        self.world.run_sql("UPDATE auth.mail_requests SET requested_at = requested_at - interval '2 minutes'")


def gives_it_up(homes: Neighbourhood) -> None:
    batteries.release(homes.owner, homes.visited.name)
    homes.wait_for_mails()


def gives_it_up_and_has_just_had_a_code(homes: Neighbourhood) -> None:
    gives_it_up(homes)
    homes.accounts.request_code(f"{homes.visited.name}@example.org", Visitor("visit"))


def gives_it_up_to_another_account(homes: Neighbourhood) -> None:
    gives_it_up(homes)
    homes.register_as(homes.sign_in())


def gives_it_up_to_another_account_and_gets_it_back(homes: Neighbourhood) -> None:
    other = homes.sign_in()
    gives_it_up(homes)
    homes.register_as(other)
    assert homes.start() != []
    batteries.release(other, homes.visited.name)


def changes_the_address(homes: Neighbourhood) -> None:
    owner = homes.owner
    [home] = sites.my_sites(owner)
    moved = msgspec.structs.replace(home, street_address="2 Other Street", zip_code="88801", service_account_id="9")
    sites.save(owner, moved)
    flip.update_site(owner, str(home.site_id), "now")


def changes_the_address_and_gives_it_up(homes: Neighbourhood) -> None:
    changes_the_address(homes)
    gives_it_up(homes)


def joins_a_program(homes: Neighbourhood) -> None:
    owner = homes.owner
    [home] = sites.my_sites(owner)
    offers = flip.my_programs(owner, str(home.site_id)) or []
    program = next(offer for offer in offers if not offer.enrollment_form)
    flip.enroll(owner, str(home.site_id), program, [homes.visited.name], {})
    with pytest.raises(Conflict):
        batteries.release(owner, homes.visited.name)


def opts_out_of_an_event(homes: Neighbourhood) -> None:
    owner, name, start = homes.owner, homes.visited.name, datetime.now(UTC) + timedelta(hours=1)
    [home] = sites.my_sites(owner)
    made = homes.flip_server.create_event(
        starts_at=start, duration_s=600, mode="DISCHARGE", setpoint_w=2_000, device_ids=[name]
    )
    ends = start + timedelta(minutes=10)
    add_event(homes.world.run_sql, str(home.site_id), [name], start, ends, event_id=made["event_ids"][0])
    [event] = events.my_events(owner)
    events.take_part(owner, event, is_participating=False)


def transfers_it(homes: Neighbourhood) -> None:
    address = new_address()
    homes.sign_in(address)
    operators.transfer(homes.operator, homes.visited.name, address)


def retires_it(homes: Neighbourhood) -> None:
    """The flow decommission-devices; the demo provisions what is missing before its households begin."""
    settings, name = homes.world.settings, ThingName(homes.visited.name)
    with postgres.connect(settings) as connection:
        factory = factory_of(settings)
        retire(name, DeviceLedger(connection), IotCore(settings), factory, datetime.now(UTC))
    homes.world.provision(name.value)
    homes.wait_for_mails()


def deletes_the_account(homes: Neighbourhood) -> None:
    homes.world.project.service_client().auth.admin.delete_user(homes.owner.who.user_id)


def gives_it_up_and_the_certificate_goes_out_of_force(homes: Neighbourhood) -> None:
    gives_it_up(homes)
    homes.world.deactivate(homes.visited)
