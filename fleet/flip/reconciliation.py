"""Where we and Flip disagree on which battery is where, and what can be done about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fleet.figures import Figures

_IS_REMOVED = "is removed there if it is on record that it left; else register it at this home, or ask Flip"


@dataclass(frozen=True, order=True)
class Bound:
    """A battery registered here. `commission_status`: pending, commissioned or failed."""

    thing_name: str
    site_id: str
    commission_status: str


@dataclass(frozen=True)
class Differences(Figures):
    """What was found.

    `lost`: commissioned here, unknown at Flip. `unnoticed`: Flip knows it, we do not know that it does.
    `strangers` are (battery, home) that Flip has and nobody registered there. `foreign_homes`: Flip's alone.
    `unread` are homes that could not be compared, with the reason. `enrollments`: how many changed here.
    """

    lost: tuple[Bound, ...] = ()
    unnoticed: tuple[Bound, ...] = ()
    strangers: tuple[tuple[str, str], ...] = ()
    foreign_homes: tuple[str, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()
    enrollments: int = 0

    def rows(self) -> list[dict[str, str]]:
        """A line each for operators: what it is, what is wrong, what becomes of it."""
        return [
            *(_row(one.thing_name, one.site_id, "unknown at Flip", "is commissioned again") for one in self.lost),
            *(_row(one.thing_name, one.site_id, "Flip knows it", "is noted as commissioned") for one in self.unnoticed),
            *(
                _row(thing_name, site_id, "Flip has it, nobody registered it at this home", _IS_REMOVED)
                for thing_name, site_id in self.strangers
            ),
            *(
                _row("", site_id, "a home that only Flip has", "ask Flip to remove it")
                for site_id in self.foreign_homes
            ),
            *(_row("", site_id, reason, "is compared next time") for site_id, reason in self.unread),
        ]


def compare(bound: Iterable[Bound], at_flip: Mapping[str, frozenset[str]]) -> Differences:
    """Compare what is registered at some homes with the devices that Flip has there, by home.

    A battery whose commissioning was declined or is still under way is no orphan, unless Flip has it.
    """
    here = sorted(bound)
    known = [one for one in here if one.thing_name in at_flip.get(one.site_id, frozenset())]
    lost = [one for one in here if one not in known and one.commission_status == "commissioned"]
    registered = {(one.thing_name, one.site_id) for one in here}
    there = sorted((name, site_id) for site_id, names in at_flip.items() for name in names)
    return Differences(
        lost=tuple(lost),
        unnoticed=tuple(one for one in known if one.commission_status != "commissioned"),
        strangers=tuple(pair for pair in there if pair not in registered),
    )


def _row(battery: str, home: str, difference: str, consequence: str) -> dict[str, str]:
    return {"battery": battery, "home": home, "difference": difference, "consequence": consequence}
