"""Who may join which program, and how an application goes on."""

import re
import uuid
from collections.abc import Sequence
from datetime import timedelta

from fastapi import HTTPException

from local_cloud.flip.bodies import AttributeBody, EnrollmentBody
from local_cloud.flip.catalog import PROGRAMS, RUNNING, programs_at
from local_cloud.flip.clock import Clock
from local_cloud.flip.refusals import FieldsRefused, unknown
from local_cloud.flip.state import Document, State
from local_cloud.flip.webhooks import Outbox

_SINCE = {"ACTIVE": "enrolled_at", "APPROVED": "enrolled_at", "UNENROLLED": "unenrolled_at"}
_FORMS = {"boolean": re.compile("true|false"), "number": re.compile(r"-?\d+(\.\d+)?"), "string": re.compile("(?s).+")}


class Enrollments:
    """Applications, decided at once or after `settle_after`."""

    def __init__(self, state: State, clock: Clock, outbox: Outbox, settle_after: timedelta) -> None:
        self._state, self._clock, self._outbox = state, clock, outbox
        self.settle_after = settle_after

    def apply(self, site: Document, body: EnrollmentBody) -> Document:
        """Take an application, or refuse it as Flip does: 404, 409 or 422."""
        program = PROGRAMS.get(body.program_id)
        if program is None:
            raise unknown("program", body.program_id)
        self._refuse_another(site["id"], body.program_id)
        devices = {device["id"]: device for device in self._state.find("device", site["id"])}
        if problems := [*_misfits(site, program, devices, body), *_terms(program, body), *_answers(program, body)]:
            raise FieldsRefused(*problems)
        answers = body.program_specific_attributes
        return self.enroll(site["id"], program, body.device_ids, body.enroll_method, answers)

    def enroll(
        self, site_id: str, program: Document, device_ids: list[str], method: str, answers: Sequence[AttributeBody] = ()
    ) -> Document:
        """Make the enrollment, which is decided at once when `settle_after` is zero."""
        now = self._clock.text()
        enrollment = {
            "object_type": "enrollment", "id": str(uuid.uuid4()), "site_id": site_id, "program_id": program["id"],
            "device_ids": device_ids, "enroll_method": method, "status": "PENDING", "status_reason": None,
            "enrolled_at": None, "unenrolled_at": None, "created_at": now, "updated_at": now,
            "program_specific_attributes": [answer.model_dump() for answer in answers],
        }  # fmt: skip
        self._state.put("enrollment", enrollment, site_id)
        self._outbox.post("enrollment.created", enrollment)
        if self.settle_after:
            self._state.remind(self._clock.now() + self.settle_after, "enrollment.settle", enrollment["id"])
            return enrollment
        return self.change(enrollment, "ACTIVE")

    def settle(self, enrollment_id: str) -> None:
        """A pending application is accepted."""
        enrollment = self._state.get("enrollment", enrollment_id)
        if enrollment and enrollment["status"] == "PENDING":
            self.change(enrollment, "ACTIVE")

    def change(self, enrollment: Document, status: str, reason: str | None = None) -> Document:
        """Give it another status and tell the client."""
        now = self._clock.text()
        changed = {**enrollment, "status": status, "status_reason": reason, "updated_at": now}
        if status in _SINCE:
            changed[_SINCE[status]] = now
        self._state.put("enrollment", changed, enrollment["site_id"])
        self._outbox.post("enrollment.updated", changed)
        return changed

    def _refuse_another(self, site_id: str, program_id: str) -> None:
        for earlier in self._state.find("enrollment", site_id):
            if earlier["program_id"] == program_id and earlier["status"] == "REJECTED":
                raise HTTPException(409, detail="The site was rejected from this program and cannot apply again.")
            if earlier["program_id"] == program_id and earlier["status"] in RUNNING:
                raise HTTPException(409, detail="The site takes part in this program already.")


Problems = list[tuple[str, str]]


def _misfits(site: Document, program: Document, devices: dict[str, Document], body: EnrollmentBody) -> Problems:
    found = [("device_ids", f"{one} is no device of this site") for one in body.device_ids if one not in devices]
    if program not in programs_at(site.get("zip_code")):
        found.append(("program_id", "the program is not offered at the site's zip code"))
    types = {devices[one]["type"] for one in body.device_ids if one in devices}
    if types - set(program["eligible_device_types"]):
        found.append(("device_ids", "the program does not take this type of device"))
    return found


def _terms(program: Document, body: EnrollmentBody) -> Problems:
    version = program["terms_and_conditions_version"]
    if version is None:
        return []
    found = []
    if not body.has_agreed_to_terms_and_conditions:
        found.append(("has_agreed_to_terms_and_conditions", "the terms must be agreed to"))
    if body.terms_and_conditions_version != version:
        found.append(("terms_and_conditions_version", f"the current version is {version}"))
    return found


def _answers(program: Document, body: EnrollmentBody) -> Problems:
    form = {field["name"]: field["type"] for field in program["enrollment_form"]}
    given = {answer.name: answer.value for answer in body.program_specific_attributes}
    found = [(f"program_specific_attributes.{name}", "is missing") for name in form if name not in given]
    for name, value in given.items():
        if name not in form:
            found.append((f"program_specific_attributes.{name}", "is no question of this program"))
        elif not _FORMS[form[name]].fullmatch(value):
            found.append((f"program_specific_attributes.{name}", f"is no {form[name]}"))
    return found
