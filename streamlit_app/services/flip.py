"""What a homeowner asks of Flip. The app cannot reach Flip: it leaves a request, and a flow works it off."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from fleet.flip.programs import Program
from streamlit_app.services.accounts import Account
from streamlit_app.services.batteries import Battery
from streamlit_app.services.rows import call, read_view

UNDER_WAY = frozenset({"pending", "running"})


class ProblemField(msgspec.Struct, frozen=True):
    """A field that Flip could not use, and why."""

    name: str = ""
    problem: str = ""


class FlipRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request and what became of it. `status`: pending, running, succeeded or failed."""

    request_id: str
    kind: str
    key: str = ""
    site_id: str | None = None
    thing_name: str | None = None
    status: str = "pending"
    message: str | None = None
    problem_fields: list[ProblemField] | None = None
    payload: dict[str, Any] = {}
    attempts: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def is_under_way(self) -> bool:
        return self.status in UNDER_WAY

    @property
    def subjects(self) -> dict[str, object]:
        """What it is about."""
        return {"site_id": self.site_id, "thing_name": self.thing_name, "event_id": self.payload.get("event_id")}


class Enrollment(msgspec.Struct, frozen=True, kw_only=True):
    """A home's part in a program. `status` is Flip's word, one not known yet included."""

    enrollment_id: str
    site_id: str | None = None
    program_id: str = ""
    program_name: str | None = None
    thing_names: list[str] = []
    status: str = "PENDING"
    status_reason: str | None = None
    updated_at: datetime | None = None

    @property
    def can_be_left(self) -> bool:
        return self.status not in ("REJECTED", "UNENROLLED")

    @property
    def is_open(self) -> bool:
        """Whether the program is not on offer any more: it is joined, or has rejected the home for good."""
        return self.status != "UNENROLLED"


class _SitePrograms(msgspec.Struct, frozen=True, kw_only=True):
    site_id: str
    programs: list[Program] = []
    fetched_at: datetime | None = None


def my_requests(account: Account) -> list[FlipRequest]:
    """The account's latest requests, the last change first."""
    return read_view(account.client, "my_flip_requests", FlipRequest, "-updated_at", limit=100)


def newest(
    requests: Iterable[FlipRequest],
    kind: str,
    site_id: str | None = None,
    thing_name: str | None = None,
    event_id: str | None = None,
) -> FlipRequest | None:
    """The latest of a kind, for a home, a battery or an event if one is named."""
    wanted = {"site_id": site_id, "thing_name": thing_name, "event_id": event_id}
    named = {name: value for name, value in wanted.items() if value is not None}
    return next((one for one in requests if one.kind == kind and named.items() <= one.subjects.items()), None)


def request(
    account: Account, kind: str, key: str, site_id: str | None, thing_name: str | None, payload: dict[str, Any]
) -> str:
    """Leave a request; its id. The same `key` is the same request: one that failed is tried again."""
    arguments = {
        "p_kind": kind, "p_key": key, "p_site_id": site_id, "p_thing_name": thing_name, "p_payload": payload,
    }  # fmt: skip
    return str(call(account.client, "request_flip", arguments))


def commission(account: Account, battery: Battery, site_id: str) -> str:
    """Ask Flip to take the battery in: again after a failure, or for the first time after a transfer."""
    failed = newest(my_requests(account), "commission", thing_name=battery.thing_name)
    # The same key takes the failed request up again; one from an earlier owner's time must not.
    own = f"commission:{battery.thing_name}:{battery.registered_at}"
    key = failed.key if failed and failed.status == "failed" else own
    return request(account, "commission", key, site_id, battery.thing_name, {})


def refresh_programs(account: Account, site_id: str, minute: str) -> str:
    """Ask for the list of programs of a home; all asking in one `minute` (ISO time) is one request."""
    return request(account, "programs", f"programs:{site_id}:{minute}", site_id, None, {})


def my_programs(account: Account, site_id: str) -> list[Program] | None:
    """The programs of a home as last fetched, or None when they were not fetched yet."""
    lists = read_view(account.client, "my_programs", _SitePrograms, "site_id")
    return next((found.programs for found in lists if found.site_id == site_id), None)


def my_enrollments(account: Account) -> list[Enrollment]:
    """The account's enrollments, the latest change first."""
    return read_view(account.client, "my_enrollments", Enrollment, "-updated_at")


def enroll(
    account: Account, site_id: str, program: Program, thing_names: list[str], answers: dict[str, bool | float | str]
) -> str:
    """Apply for a program with the terms that were shown and agreed to."""
    earlier = [held.enrollment_id for held in my_enrollments(account) if held.program_id == program.id]
    payload = {
        "program_id": program.id,
        "device_ids": thing_names,
        "has_agreed_to_terms_and_conditions": True,
        "terms_and_conditions_version": program.terms_and_conditions_version,
        "program_specific_attributes": [{"name": name, "value": value} for name, value in answers.items()],
    }
    # Corrected answers are another request, and so is coming back; a second click is not.
    wish = msgspec.json.encode([payload, sorted(earlier)], order="deterministic")
    content = hashlib.sha256(wish).hexdigest()[:16]
    return request(account, "enroll", f"enroll:{site_id}:{program.id}:{content}", site_id, None, payload)


def unenroll(account: Account, enrollment: Enrollment) -> str:
    """Leave a program."""
    payload = {"enrollment_id": enrollment.enrollment_id}
    return request(account, "unenroll", f"unenroll:{enrollment.enrollment_id}", enrollment.site_id, None, payload)


def update_site(account: Account, site_id: str, changed: str) -> str:
    """Tell Flip of a changed address; `changed` tells one change from the next."""
    return request(account, "update_site", f"update_site:{site_id}:{changed}", site_id, None, {})
