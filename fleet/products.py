"""The battery models that are made, with what their labels say. Flip is told this when a battery is commissioned.

`MAKER` and `_MODELS` are the only two places that name them: put your own here before the first battery is provisioned.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """What a battery of this model can hold (Wh) and take or give (W) when it is new; the names are shown at Flip."""

    manufacturer_name: str
    product_name: str
    capacity_wh: float
    charge_power_w: float
    discharge_power_w: float


MAKER = "Flip Fleet"
"""The maker's name, as homeowners and Flip read it."""
_MODELS = {
    "home-5": Model(MAKER, "Home 5", 5_000, 2_500, 2_500),
    "home-10": Model(MAKER, "Home 10", 10_000, 5_000, 5_000),
    "home-13": Model(MAKER, "Home 13", 13_500, 5_000, 5_000),
}
"""The key is what `provision_devices` calls the model."""


def model_named(name: str) -> Model | None:
    """What is known of a model; None for one that nobody described."""
    return _MODELS.get(name)


def rated_capacity_wh(name: str) -> float | None:
    """What a battery of this model held when it was new, Wh; None where nobody described the model."""
    model = _MODELS.get(name)
    return model.capacity_wh if model else None
