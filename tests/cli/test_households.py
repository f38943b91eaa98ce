"""Whatever a visitor has done in the app, the demo's households start again, and each says what it cannot do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cli import dispatch_story, households
from cli.dispatch_story import Timing
from streamlit_app.services.sign_in_caps import Visitor
from tests.cli import neighbourhood as visits
from tests.cli.neighbourhood import Neighbourhood
from tests.conftest import FLIP_ADMIN_TOKEN

pytestmark = [pytest.mark.integration, pytest.mark.slow]


VISITS = [
    (visits.gives_it_up, "", True),
    (visits.gives_it_up_and_has_just_had_a_code, "was not registered: Too many codes were asked for", False),
    (visits.gives_it_up_to_another_account, "", True),
    (visits.gives_it_up_to_another_account_and_gets_it_back, "", True),
    (visits.changes_the_address, "", True),
    (visits.changes_the_address_and_gives_it_up, "", True),
    (visits.joins_a_program, "", True),
    (visits.opts_out_of_an_event, "", True),
    (visits.transfers_it, "its new owner has not said yet where it stands", False),
    (visits.retires_it, "", True),
    (visits.deletes_the_account, "", True),
    (visits.gives_it_up_and_the_certificate_goes_out_of_force, "was not registered: ", False),
]
"""What somebody does in the app, what the next start says of the battery, and whether Flip has it then."""


@pytest.mark.parametrize(("visit", "sentence", "has_it"), VISITS, ids=lambda value: getattr(value, "__name__", ""))
def test_what_a_visitor_did_keeps_no_other_household_from_starting_again(
    neighbourhood: Neighbourhood, visit: Callable[[Neighbourhood], None], sentence: str, has_it: bool
) -> None:
    visit(neighbourhood)
    neighbourhood.folders.append(neighbourhood.world.provision())  # one that comes after whatever is told
    for _ in range(2):  # and so it is at every start from now on
        ready = neighbourhood.start()
        visited, *others = [folder.name for folder in neighbourhood.folders]
        assert ready == ([visited, *others] if has_it else others)
        assert [line for line in neighbourhood.said if visited not in line] == []
        assert [sentence in line for line in neighbourhood.said] == ([True] if sentence else [])


def test_an_event_is_asked_for_the_batteries_that_flip_has(neighbourhood: Neighbourhood) -> None:
    visits.gives_it_up_to_another_account(neighbourhood)
    neighbourhood.start()
    dispatch = begin(neighbourhood, neighbourhood.folders[1:])
    assert dispatch
    assert dispatch.size == 1
    assert "Flip asks 1 batteries to discharge" in neighbourhood.said[-1]


@pytest.mark.parametrize("is_empty", [True, False], ids=["no battery", "one that Flip has lost"])
def test_without_an_event_the_story_goes_on_and_says_so(neighbourhood: Neighbourhood, is_empty: bool) -> None:
    neighbourhood.flip_server.reset()
    assert begin(neighbourhood, [] if is_empty else neighbourhood.folders) is None
    assert "goes on without an event" in neighbourhood.said[-1]


def begin(homes: Neighbourhood, folders: list[Path]) -> dispatch_story.Dispatch | None:
    return dispatch_story.begin(homes.world.settings, FLIP_ADMIN_TOKEN, folders, Timing(60, 60), homes.said.append)


def forget_the_operator(homes: Neighbourhood) -> None:
    homes.world.run_sql("DELETE FROM auth.users WHERE email = %s", households.OPERATOR)
    homes.wait_for_mails()


def roles(homes: Neighbourhood) -> list[object]:
    rows = homes.world.run_sql(
        "SELECT raw_app_meta_data ->> 'role' AS role FROM auth.users WHERE email = %s", households.OPERATOR
    )
    return [row["role"] for row in rows]


def test_the_operators_account_is_made_also_where_a_start_was_stopped_half_way(neighbourhood: Neighbourhood) -> None:
    forget_the_operator(neighbourhood)
    neighbourhood.sign_in(households.OPERATOR)
    assert roles(neighbourhood) == [None]
    households.ensure_operator(neighbourhood.world.settings, neighbourhood.state, neighbourhood.said.append)
    assert roles(neighbourhood) == ["operator"]
    assert neighbourhood.said == []


def test_an_operator_who_cannot_sign_in_is_told_and_made_by_the_next_start(neighbourhood: Neighbourhood) -> None:
    forget_the_operator(neighbourhood)
    neighbourhood.accounts.request_code(households.OPERATOR, Visitor("visit"))
    neighbourhood.world.run_sql("DELETE FROM auth.users WHERE email = %s", households.OPERATOR)
    households.ensure_operator(neighbourhood.world.settings, neighbourhood.state, neighbourhood.said.append)
    [line] = neighbourhood.said
    assert "Too many codes were asked for" in line
    neighbourhood.wait_for_mails()
    households.ensure_operator(neighbourhood.world.settings, neighbourhood.state, neighbourhood.said.append)
    assert roles(neighbourhood) == ["operator"]
