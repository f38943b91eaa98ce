"""What the sandbox offers: two programs, and the states that Flip takes (its list has Puerto Rico and not D.C.)."""

from typing import Any

STATE_CODES = frozenset(
    "AK AL AR AZ CA CO CT DE FL GA HI IA ID IL IN KS KY LA MA MD ME MI MN MO MS MT "  # noqa: SIM905 - a table
    "NC ND NE NH NJ NM NV NY OH OK OR PA PR RI SC SD TN TX UT VA VT WA WI WV WY".split()
)

_TERMS = """# Peak Saver terms

1. We may discharge your battery up to **60 times** a year, for at most *four hours* each.
2. Your backup reserve is kept at all times.
3. You can opt out of any event, and leave the program whenever you like.

Questions: [help@example.com](mailto:help@example.com)
"""

PEAK_SAVER, GRID_RESERVE = "0e3c7a51-5f1b-4d0a-9c52-8880188802aa", "7d9f2b64-1a38-4c6e-b0d7-8880088801bb"
RUNNING = {"PENDING", "ACTIVE", "APPROVED", "NEEDS_ACTION"}
"""Statuses of an enrollment that goes on."""
_SINCE = {"created_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-03-01T00:00:00.000Z"}

_WITH_FORM: dict[str, Any] = {
    "id": PEAK_SAVER,
    "name": "Peak Saver",
    "description": "Earn by sharing your battery on the hottest evenings.",
    "eligible_device_types": ["BATTERY"],
    "can_auto_enroll": False,
    "minimum_reserve_percentage": 20,
    "minimum_commitment_months": 12,
    "participation_months": [5, 6, 7, 8, 9, 10],
    "earnings_for_site_upfront": 100,
    "earnings_for_site_yearly": 240,
    "enrollment_form": [
        {"name": "owns_home", "label": "Do you own your home?", "type": "boolean", "hint": None},
        {"name": "solar_size_kw", "label": "Size of your solar system, kW", "type": "number", "hint": None},
        {"name": "meter_number", "label": "Meter number", "type": "string", "hint": "On your utility bill"},
    ],
    "terms_and_conditions_version": "2026-03",
    "terms_and_conditions_text": _TERMS,
    **_SINCE,
}

_PLAIN: dict[str, Any] = {
    "id": GRID_RESERVE,
    "name": "Grid Reserve",
    "description": "Stand by for rare emergencies, all year.",
    "eligible_device_types": ["BATTERY"],
    "can_auto_enroll": True,
    "minimum_reserve_percentage": 0,
    "minimum_commitment_months": None,
    "participation_months": list(range(1, 13)),
    "earnings_for_site_upfront": 0,
    "earnings_for_site_yearly": 60,
    "enrollment_form": [],
    "terms_and_conditions_version": None,
    "terms_and_conditions_text": None,
    **_SINCE,
}

PROGRAMS = {program["id"]: program for program in (_WITH_FORM, _PLAIN)}
_OFFERED = {"88800": [_PLAIN], "88801": [_WITH_FORM, _PLAIN], "88802": [_WITH_FORM]}


def programs_at(zip_code: str | None, device_type: str | None = None) -> list[dict[str, Any]]:
    """The programs offered at a zip code, for one type of device where it is named."""
    offered = _OFFERED.get(zip_code or "", [])
    return [program for program in offered if device_type in (None, *program["eligible_device_types"])]
