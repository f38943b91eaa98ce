"""The battery models that are made, with what their labels say, out of `products.toml` beside this file."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from fleet.errors import NotConfigured

PRODUCTS_FILE = Path(__file__).with_name("products.toml")

_Label = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
_EnergyWh = Annotated[float, msgspec.Meta(gt=0, le=1e7)]
_PowerW = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
_ModelName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.,@/:#-]{1,80}\Z")]
"""What IoT Core takes for an attribute of a thing."""


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a battery of this model can hold (Wh) and take or give (W) when it is new; the names are shown at Flip.

    `manufacturer_name` empty: the table's `maker`. `absent_meters`: those that it does not come with; Flip is told 0 of
    them, where a reading that is missing for another reason makes its interval one that is missing.
    """

    product_name: _Label
    capacity_wh: _EnergyWh
    charge_power_w: _PowerW
    discharge_power_w: _PowerW
    manufacturer_name: str = ""
    absent_meters: tuple[Literal["home", "solar"], ...] = ()


class Products(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole table: the maker's name, as homeowners and Flip read it, and the models by their names."""

    maker: _Label
    models: dict[_ModelName, Model]


def read_products(file: Path) -> Products:
    """The table in a TOML file. Raises `NotConfigured` in a sentence that names what is wrong with it."""
    try:
        products = msgspec.toml.decode(file.read_bytes(), type=Products)
    except (OSError, ValueError) as error:  # msgspec's and tomllib's errors are ValueErrors
        raise NotConfigured(f"The table of products {file} cannot be used: {error}") from error
    models = {
        name: msgspec.structs.replace(model, manufacturer_name=model.manufacturer_name or products.maker)
        for name, model in products.models.items()
    }
    return Products(products.maker, models)


@cache
def products() -> Products:
    """The table of this installation, read once. Raises as `read_products` does."""
    return read_products(PRODUCTS_FILE)


def model_named(name: str) -> Model | None:
    """What is known of a model; None for one that nobody described: a battery of before it was taken out, say."""
    return products().models.get(name)
