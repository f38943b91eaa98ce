"""The table of prices, quotas and measurements, read and checked."""

import math
import tomllib
from datetime import date
from functools import cache
from importlib import resources

import msgspec

from fleet.errors import InvalidInput


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The price of what lies below `up_to` in a month and above the tier before; `up_to` counts units."""

    usd: float
    up_to: float = math.inf


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A price in US dollars for each `per` units."""

    unit: str
    tiers: list[Tier]
    source: str
    per: float = 1.0

    def usd(self, quantity: float) -> float:
        """What `quantity` units of one month cost."""
        total, below = 0.0, 0.0
        for tier in self.tiers:
            total += max(0.0, min(quantity, tier.up_to) - below) * tier.usd / self.per
            below = tier.up_to
        return total


class Quota(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A limit of a vendor. `adjustable`: the vendor raises it when asked."""

    value: float
    unit: str
    source: str
    adjustable: bool = False


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cost of our own code, or an assumption where `source` says so."""

    value: float
    unit: str
    source: str


class ComputeSize(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A size of a Supabase database server, and the largest database that Supabase recommends on it."""

    name: str
    usd_month: float
    database_gb: float


class Region(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much dearer AWS is there than in us-east-1."""

    factor: float
    source: str


class PriceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that an estimate rests on; `as_of` is the day it was put together."""

    as_of: date
    regions: dict[str, Region]
    prices: dict[str, Price]
    quotas: dict[str, Quota]
    measured: dict[str, Measured]
    supabase: list[ComputeSize]

    def quota(self, name: str) -> float:
        return self.quotas[name].value

    def measure(self, name: str) -> float:
        return self.measured[name].value

    def factor(self, region: str) -> float:
        """How much dearer AWS is in `region`. Raises `InvalidInput` for one that the table does not have."""
        if region not in self.regions:
            known = ", ".join(sorted(self.regions))
            raise InvalidInput(f"There are no prices for the region {region!r}: the table has {known}.")
        return self.regions[region].factor


@cache
def price_table() -> PriceTable:
    """The table that is shipped with this version."""
    text = resources.files("fleet.capacity").joinpath("prices.toml").read_text()
    return msgspec.convert(tomllib.loads(text), PriceTable)
