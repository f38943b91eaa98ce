"""What batteries were asked for and delivered, summed up. The figures of each are `fleet.command_energies`'s.

Energies are Wh in the mode's direction and never negative. Sums are over batteries that have a figure, None where none
has one. What is delivered is set against what was asked of the same batteries over the same time, and nothing else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

AWAITED = "late"
"""The readings of a battery end before what it was asked for does, and may still come."""
MISSING = frozenset({"incomplete", "not_reported"})
"""Some or all of a battery's readings are missing, and none will come any more."""


class Figures(Protocol):
    """One battery's part. `data_standing` is a word of `fleet.data_standing`: complete, late, incomplete and so on."""

    @property
    def thing_name(self) -> str: ...

    @property
    def asked_first_energy_wh(self) -> float | None: ...

    @property
    def asked_energy_wh(self) -> float | None: ...

    @property
    def asked_while_measured_wh(self) -> float | None: ...

    @property
    def measured_energy_wh(self) -> float | None: ...

    @property
    def data_standing(self) -> str: ...


@dataclass(frozen=True)
class Energies:
    """Of some batteries: asked at first, asked as it was changed and up to now, and of the time that is measured what
    was asked (`compared_wh`) and delivered; which of them are late, and which lack readings for good."""

    asked_first_wh: float | None
    asked_wh: float | None
    compared_wh: float | None
    delivered_wh: float | None
    measured_devices: int
    late: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def share_pct(self) -> float | None:
        """Delivered of what was asked over the same time, percent; None where nothing can be compared."""
        return share_pct(self.compared_wh, self.delivered_wh)


def share_pct(compared_wh: float | None, delivered_wh: float | None) -> float | None:
    """Delivered of what was asked over the same time, percent; None where nothing was asked or measured."""
    return 100 * delivered_wh / compared_wh if compared_wh and delivered_wh is not None else None


def sum_up(batteries: Sequence[Figures]) -> Energies:
    """The batteries together. One that nothing was asked of with a setpoint counts in no sum of what was delivered."""
    compared = [one for one in batteries if one.asked_while_measured_wh is not None]
    return Energies(
        asked_first_wh=_total(one.asked_first_energy_wh for one in batteries),
        asked_wh=_total(one.asked_energy_wh for one in batteries),
        compared_wh=_total(one.asked_while_measured_wh for one in compared),
        delivered_wh=_total(one.measured_energy_wh for one in compared or batteries),
        measured_devices=sum(one.measured_energy_wh is not None for one in batteries),
        late=tuple(one.thing_name for one in batteries if one.data_standing == AWAITED),
        missing=tuple(one.thing_name for one in batteries if one.data_standing in MISSING),
    )


def _total(figures: Iterable[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known else None
