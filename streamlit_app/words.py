"""Numbers, times and codes in a homeowner's words."""

import re
from datetime import datetime

_MODES = {
    "BACKUP": "Keeping charge for an outage",
    "CHARGE": "Charging",
    "DISCHARGE": "Discharging",
    "SAVINGS": "Saving on your bill",
    "SELF_CONSUMPTION": "Using your own solar power",
    "STANDBY": "On standby",
}
_MARKDOWN = frozenset(r"\`*_{}[]()<>#+-.!|~:$^=&")
# Overrides that make the rest of a line read backwards; letters of right-to-left scripts need none.
_TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
# Markdown makes links of bare addresses, escaped or not; an invisible character inside keeps it from that.
_LINK_LIKE = re.compile(r"@|www|(?<=:)/")
_JOINER = "\u2060"


def plain(text: str) -> str:
    """Text from people or from elsewhere, so that Markdown shows it as it is: no markup, links, or turned direction."""
    shown = " ".join(text.split()).translate(_TURNING)
    escaped = "".join(f"\\{character}" if character in _MARKDOWN else character for character in shown)
    return _LINK_LIKE.sub(lambda found: found[0] + _JOINER, escaped)


def contact(address: str) -> str:
    """A link to a mail address or a page, as Markdown."""
    is_page = address.startswith("https://")
    return f"[{address.removeprefix('https://')}]({address if is_page else f'mailto:{address}'})"


def power(watts: float | None) -> str:
    """W below 1 kW, kW above."""
    if watts is None:
        return "unknown"
    return f"{watts / 1000:.1f} kW" if abs(watts) >= 999.5 else f"{watts:.0f} W"


def energy(watt_hours: float | None) -> str:
    """kWh with one decimal."""
    return "unknown" if watt_hours is None else f"{watt_hours / 1000:.1f} kWh"


def exact_energy(watt_hours: float | None) -> str:
    """Wh below 1 kWh, above it kWh with two decimals: for events, which may be short."""
    if watt_hours is None:
        return "unknown"
    return f"{watt_hours:.0f} Wh" if abs(watt_hours) < 999.5 else f"{watt_hours / 1000:.2f} kWh"


def share(percent: float | None) -> str:
    """Whole percent."""
    return "unknown" if percent is None else f"{percent:.0f} %"


def mode(code: str | None) -> str:
    """What the battery is doing; a mode not known yet is shown by its name."""
    return _MODES.get(code or "", (code or "unknown").replace("_", " ").lower())


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, coarse."""
    if moment is None:
        return "never"
    seconds = max(0.0, (now - moment).total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def at(moment: datetime | None, now: datetime) -> str:
    """Date and time in the zone of `now`."""
    if moment is None:
        return "unknown"
    local = moment.astimezone(now.tzinfo)
    return f"{local:%b} {local.day}, {local:%Y, %H:%M}"


def span(start: datetime, end: datetime | None, now: datetime) -> str:
    """From when to when, with day and zone, in the zone of `now`; the end's day only where it is another."""
    first = start.astimezone(now.tzinfo)
    began = f"{first:%a}, {first:%b} {first.day}, {first:%H:%M}"
    if end is None:
        return f"{began} {first:%Z} until further notice"
    last = end.astimezone(now.tzinfo)
    day = "" if last.date() == first.date() else f"{last:%a}, {last:%b} {last.day}, "
    shift = f" {first:%Z}" if first.utcoffset() != last.utcoffset() else ""
    return f"{began}{shift} to {day}{last:%H:%M} {last:%Z}"


def ahead(moment: datetime, now: datetime) -> str:
    """How long until then, coarse."""
    seconds = (moment - now).total_seconds()
    return "now" if seconds <= 0 else f"in {duration(max(1, seconds))}"


def duration(seconds: float) -> str:
    """A span in its largest fitting unit."""
    size = abs(seconds)
    for unit_s, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if size >= 2 * unit_s:
            return f"{size / unit_s:.0f} {unit}"
    return f"{size:.0f} seconds"
