"""What a homeowner asks of Flip. The app cannot reach Flip: it leaves a request, and a flow works it off."""

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from fleet.flip.programs import Program
from streamlit_app.services.accounts import Account
from streamlit_app.services.rows import call, read_view

UNDER_WAY = frozenset({"pending", "running"})


class FlipRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request and what became of it. `status`: pending, running, succeeded or failed."""

    request_id: str
    kind: str
    key: str = ""
    site_id: str | None = None
    thing_name: str | None = None
    status: str = "pending"
    message: str | None = None
    problem_fields: Any = None
    attempts: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def is_under_way(self) -> bool:
        return self.status in UNDER_WAY


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
    """The account's requests, newest first."""
    return read_view(account.client, "my_flip_requests", FlipRequest, "-created_at")


def request(
    account: Account, kind: str, key: str, site_id: str | None, thing_name: str | None, payload: dict[str, Any]
) -> str:
    """Leave a request; its id. The same `key` is the same request: one that failed is tried again."""
    arguments = {
        "p_kind": kind, "p_key": key, "p_site_id": site_id, "p_thing_name": thing_name, "p_payload": payload,
    }  # fmt: skip
    return str(call(account.client, "request_flip", arguments))


def commission_again(account: Account, site_id: str, thing_name: str) -> str:
    """Ask Flip once more to take the battery in."""
    return request(account, "commission", f"commission:{thing_name}", site_id, thing_name, {})


def refresh_programs(account: Account, site_id: str, day: str) -> str:
    """Ask for the list of programs of a home; once a `day` (ISO date) is one request."""
    return request(account, "programs", f"programs:{site_id}:{day}", site_id, None, {})


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
    payload = {
        "program_id": program.id,
        "device_ids": thing_names,
        "has_agreed_to_terms_and_conditions": True,
        "terms_and_conditions_version": program.terms_and_conditions_version,
        "program_specific_attributes": [{"name": name, "value": value} for name, value in answers.items()],
    }
    # Corrected answers are another request; a second click on the same ones is not.
    content = hashlib.sha256(msgspec.json.encode(payload, order="deterministic")).hexdigest()[:16]
    return request(account, "enroll", f"enroll:{site_id}:{program.id}:{content}", site_id, None, payload)


def unenroll(account: Account, enrollment: Enrollment) -> str:
    """Leave a program."""
    payload = {"enrollment_id": enrollment.enrollment_id}
    return request(account, "unenroll", f"unenroll:{enrollment.enrollment_id}", enrollment.site_id, None, payload)


def update_site(account: Account, site_id: str, changed: str) -> str:
    """Tell Flip of a changed address; `changed` tells one change from the next."""
    return request(account, "update_site", f"update_site:{site_id}:{changed}", site_id, None, {})
