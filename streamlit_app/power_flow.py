"""The picture of where the power goes now: sun, grid, home and battery. All text in it is made here from numbers."""

from collections.abc import Callable
from functools import lru_cache
from html import escape
from pathlib import Path

import streamlit as st

from streamlit_app import words
from streamlit_app.services.batteries import Battery

_IDLE_W = 20
"""Below this a flow is shown as none: measuring noise."""
_HEAD = (
    '<marker id="head" class="head" viewBox="0 0 10 10" refX="6" refY="5" markerWidth="3.4" markerHeight="3.4"'
    ' orient="auto-start-reverse"><path d="M0 0 L10 5 L0 10 Z"/></marker>'
)
"""Which way it flows, also for who sees no movement."""
# st.html leaves SVG out. What is put in here is made below: numbers, our words, everything else escaped.
_SCRIPT = """
export default function ({ data, parentElement }) {
    parentElement.querySelector(".power-flow").innerHTML = data.svg
}
"""


def show(battery: Battery) -> None:
    """Draw the picture; the words say the same to who does not see it."""
    _picture()(key="power_flow", data={"svg": svg(battery)})


@lru_cache(maxsize=1)
def _picture() -> Callable[..., object]:
    style = Path(__file__).with_suffix(".css").read_text()
    return st.components.v2.component("fleet_power_flow", html='<div class="power-flow"></div>', css=style, js=_SCRIPT)


def describe(battery: Battery) -> str:
    """The same in words, for who does not see the picture."""
    return " ".join([*_battery_words(battery), *_other_words(battery)])


def svg(battery: Battery) -> str:
    """The picture, in the page's own colours."""
    charge, discharge = battery.battery_charge_power_w or 0, battery.battery_discharge_power_w or 0
    is_down, grid = battery.grid_online is False, battery.grid_power_w
    arrows = [
        _arrow("M110 135 L143 135", 0 if is_down else abs(grid or 0), forward=(grid or 0) >= 0),
        _arrow("M177 135 L210 135", battery.home_power_w or 0, forward=True),
        _arrow("M160 152 L160 198", max(charge, discharge), forward=charge >= discharge),
    ]
    nodes = [
        _node(52, 135, _grid_label(battery), "down" if is_down else _size(grid)),
        _node(268, 135, "Home", words.power(battery.home_power_w)),
        _node(160, 232, f"Battery {words.share(battery.state_of_charge_pct)}", _battery_label(charge, discharge), 124),
    ]
    if battery.has_sun:
        arrows.append(_arrow("M160 72 L160 118", battery.solar_power_w or 0, forward=True))
        nodes.append(_node(160, 38, "Sun", words.power(battery.solar_power_w)))
    hub = '<circle cx="160" cy="135" r="9" class="hub"/>'
    return (
        f'<svg viewBox="0 0 320 270" role="img" aria-label="{escape(describe(battery))}">'
        f"<defs>{_HEAD}</defs>{''.join(arrows)}{hub}{''.join(nodes)}</svg>"
    )


def _grid_label(battery: Battery) -> str:
    grid = battery.grid_power_w or 0
    is_idle = battery.grid_online is False or abs(grid) < _IDLE_W
    return "Grid" if is_idle else "From the grid" if grid > 0 else "To the grid"


def _battery_label(charge_w: float, discharge_w: float) -> str:
    power_w = max(charge_w, discharge_w)
    if power_w < _IDLE_W:
        return words.power(power_w)
    return f"{'takes' if charge_w >= discharge_w else 'gives'} {words.power(power_w)}"


def _size(power_w: float | None) -> str:
    return words.power(None if power_w is None else abs(power_w))


def _node(x: int, y: int, label: str, value: str, width: int = 100) -> str:
    return (
        f'<g class="node"><rect x="{x - width // 2}" y="{y - 27}" width="{width}" height="54" rx="14"/>'
        f'<text x="{x}" y="{y - 5}" class="label">{escape(label)}</text>'
        f'<text x="{x}" y="{y + 15}" class="value">{escape(value)}</text></g>'
    )


def _arrow(path: str, power_w: float, *, forward: bool) -> str:
    state = "idle" if power_w < _IDLE_W else "forward" if forward else "backward"
    head = {"idle": "", "forward": ' marker-end="url(#head)"', "backward": ' marker-start="url(#head)"'}[state]
    return f'<path d="{path}" class="flow {state}"{head}/>'


def _battery_words(battery: Battery) -> list[str]:
    level, known = battery.state_of_charge_pct, (battery.battery_charge_power_w, battery.battery_discharge_power_w)
    charge, discharge = (each or 0 for each in known)
    if known == (None, None):
        doing = "does not say what it does"
    elif max(charge, discharge) < _IDLE_W:
        doing = "rests"
    else:
        doing = f"takes in {words.power(charge)}" if charge >= discharge else f"gives {words.power(discharge)}"
    at = "does not say how full it is" if level is None else f"is at {words.share(level)}"
    return [f"The battery {at} and {doing}."]


def _other_words(battery: Battery) -> list[str]:
    grid, sun, home = battery.grid_power_w, battery.solar_power_w, battery.home_power_w
    read = [
        *([f"the sun gives {words.power(sun)}"] if sun is not None else ()),
        *([f"the home uses {words.power(home)}"] if home is not None else ()),
    ]
    sentences = [f"T{', '.join(read)[1:]}."] if read else []
    if battery.grid_online is False:
        sentences.append("The grid is down.")
    elif grid is None:
        sentences.append("What comes from the grid is not known now.")
    elif abs(grid) < _IDLE_W:
        sentences.append("Nothing comes from the grid.")
    else:
        sentences.append(f"{words.power(abs(grid))} {'comes from' if grid > 0 else 'goes to'} the grid.")
    return sentences
