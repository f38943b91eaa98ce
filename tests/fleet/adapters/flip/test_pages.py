"""A list in pages is read to its end, whatever Flip makes of `limit`."""

import pytest

from fleet.adapters.flip.pages import every_page
from fleet.flip import Accepted, Rejected, Site

SITES = [Accepted(Site(id=f"site-{number}")) for number in range(250)]


@pytest.mark.parametrize("most", [7, 100, 1_000])
def test_every_item_is_there_once_and_in_order(most: int) -> None:
    asked: list[tuple[int, int]] = []

    def page(params: dict[str, str]) -> list[Accepted[Site] | Rejected]:
        skip, limit = int(params["skip"]), int(params["limit"])
        asked.append((skip, limit))
        return list(SITES[skip : skip + min(limit, most)])

    assert every_page(page) == SITES
    assert asked[:2] == [(0, 100), (min(most, 100), 100)]


def test_a_flip_that_knows_no_pages_is_asked_twice() -> None:
    calls: list[dict[str, str]] = []

    def all_at_once(params: dict[str, str]) -> list[Accepted[Site] | Rejected]:
        calls.append(params)
        return list(SITES)

    assert every_page(all_at_once) == SITES
    assert len(calls) == 2


def test_nothing_is_one_question() -> None:
    assert every_page(lambda _: []) == []


def test_what_cannot_be_read_is_reported_once_and_ends_nothing() -> None:
    odd = Rejected("It cannot be read.", None)
    assert every_page(lambda _: [odd, SITES[0]]) == [odd, SITES[0]]
    assert every_page(lambda _: [odd]) == [odd]
