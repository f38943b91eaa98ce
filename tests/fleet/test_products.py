"""The table of products: data that operators edit, so what is wrong with it is said in a sentence."""

from pathlib import Path

import pytest

from fleet.errors import NotConfigured
from fleet.products import Model, model_named, products, read_products

HOME = """
[models.wall-8]
product_name = "Wall 8"
capacity_wh = 8000
charge_power_w = 3000
discharge_power_w = 4000
"""


def test_the_table_that_comes_with_it_can_be_read() -> None:
    assert products().models
    for name, model in products().models.items():
        assert model_named(name) == model
        assert model.manufacturer_name == products().maker
    assert model_named("nobody-described-it") is None


def test_a_model_has_the_makers_name_unless_it_has_its_own(folder: Path) -> None:
    (file := folder / "products.toml").write_text(
        f'maker = "Maker"{HOME}\n{HOME.replace("wall-8", "cube").replace("capacity", manufacturer())}'
    )
    found = read_products(file)
    assert found.models["wall-8"] == Model("Wall 8", 8_000, 3_000, 4_000, "Maker")
    assert found.models["cube"].manufacturer_name == "Another"


def manufacturer() -> str:
    return 'manufacturer_name = "Another"\ncapacity'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "maker"),
        ("maker =", "cannot be used"),
        ('maker = "Maker"', "models"),
        (f'maker = ""{HOME}', "maker"),
        ('maker = "Maker"' + HOME.replace("8000", "0"), "capacity_wh"),
        ('maker = "Maker"' + HOME.replace("8000", '"8 kWh"'), "capacity_wh"),
        ('maker = "Maker"' + HOME.replace("3000", "-1"), "charge_power_w"),
        ('maker = "Maker"' + HOME.replace("capacity_wh", "capacity_kwh"), "capacity_"),
        ('maker = "Maker"' + HOME.replace("wall-8", '"wall 8"'), "models"),
    ],
)
def test_a_table_that_cannot_be_used_says_where(folder: Path, text: str, says: str) -> None:
    (file := folder / "products.toml").write_text(text)
    with pytest.raises(NotConfigured, match=says) as error:
        read_products(file)
    assert str(file) in str(error.value)


def test_a_table_that_is_missing_says_so(folder: Path) -> None:
    with pytest.raises(NotConfigured, match="No such file"):
        read_products(folder / "products.toml")
