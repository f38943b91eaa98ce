"""What a home can take part in, and its taking part."""

from datetime import datetime
from typing import Annotated

import msgspec

from fleet.flip.ids import MAX_ID_LENGTH, Id


class FormField(msgspec.Struct, frozen=True):
    """One question of a program's form. `type` is boolean, number or string; `hint` says where to find the answer."""

    name: str
    label: str = ""
    type: str = "string"
    hint: str | None = None


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A utility's program. `participation_months` are 1 to 12; earnings are text or US dollars, as Flip gives them.

    `minimum_commitment_months` None means unknown. `terms_and_conditions_text` is Markdown and must be shown.
    """

    id: Id
    name: str = ""
    description: str = ""
    eligible_device_types: tuple[str, ...] = ()
    can_auto_enroll: bool = False
    minimum_reserve_percentage: float | None = None
    minimum_commitment_months: float | None = None
    participation_months: tuple[int, ...] = ()
    earnings_for_site_upfront: float | str | None = None
    earnings_for_site_yearly: float | str | None = None
    enrollment_form: tuple[FormField, ...] = ()
    terms_and_conditions_version: str | None = None
    terms_and_conditions_text: str | None = None


class ProgramAttribute(msgspec.Struct, frozen=True):
    """The answer to one question of a program's form. Flip takes text alone, such as `true` or `7.5`."""

    name: str
    value: str


class EnrollmentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A homeowner's wish to take part, with the terms that were shown. `enroll_method`: USER_ACTION or AUTO_ENROLL."""

    program_id: str
    device_ids: tuple[str, ...]
    has_agreed_to_terms_and_conditions: bool
    terms_and_conditions_version: str | None
    program_specific_attributes: tuple[ProgramAttribute, ...] = ()
    enroll_method: str = "USER_ACTION"


class Enrollment(msgspec.Struct, frozen=True, kw_only=True):
    """A home's part in a program.

    `status`: PENDING, ACTIVE, APPROVED, NEEDS_ACTION, REJECTED, UNENROLLED or one not known yet.
    """

    id: Id
    program_id: Annotated[str, msgspec.Meta(max_length=MAX_ID_LENGTH)] = ""
    site_id: Id | None = None
    device_ids: tuple[Id, ...] = ()
    enroll_method: str | None = None
    status: str = "PENDING"
    status_reason: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
