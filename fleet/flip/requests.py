"""What homeowners ask of Flip: a request on its way, how it ends, and when it is tried again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, TypeVar

import msgspec

from fleet.backoff import Backoff
from fleet.errors import FleetError, InvalidInput
from fleet.flip import (
    DeviceSetting,
    Enrollment,
    EnrollmentRequest,
    Event,
    EventChanges,
    InvalidFields,
    ProgramAttribute,
)

ENDED = frozenset({"UNENROLLED", "REJECTED"})
"""Statuses of an enrollment that is over; any other word of Flip's, new ones too, is one that goes on."""
LATER = "Flip could not take this yet: we will try again, and you do not have to do anything."

BACKOFF = Backoff(first=timedelta(seconds=15), longest=timedelta(minutes=10))
"""When Flip is asked again for what a homeowner wishes."""

T = TypeVar("T")


@dataclass(frozen=True)
class FlipRequest:
    """One wish of an account, as it was left in the outbox. `attempts` counts this one too."""

    request_id: str
    kind: str
    owner_id: str
    site_id: str | None = None
    thing_name: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 1

    @property
    def subject(self) -> str:
        """What it is about, for people: the battery or the home."""
        return self.thing_name or self.site_id or self.request_id


@dataclass(frozen=True)
class Done:
    """Flip did it. `answer` is for the page, `message` one sentence for the homeowner."""

    message: str
    answer: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Declined:
    """It cannot be done as it was asked for; `problem_fields` name what to correct."""

    message: str
    problem_fields: tuple[Mapping[str, str], ...] = ()


def declined(error: FleetError) -> Declined:
    """How an error that stays is told to the homeowner."""
    fields = error.fields if isinstance(error, InvalidFields) else ()
    return Declined(str(error), tuple({"name": one.name, "problem": one.problem} for one in fields))


class _Answer(msgspec.Struct, frozen=True):
    name: str
    value: bool | float | str


class _Application(msgspec.Struct, frozen=True):
    program_id: str
    has_agreed_to_terms_and_conditions: bool = False
    terms_and_conditions_version: str | None = None
    program_specific_attributes: tuple[_Answer, ...] = ()
    device_ids: tuple[str, ...] = ()


class _Leaving(msgspec.Struct, frozen=True):
    enrollment_id: str


class _Reserve(msgspec.Struct, frozen=True):
    device_id: str
    backup_reserve_percentage: Annotated[float, msgspec.Meta(ge=0, le=100)]


class _EventWish(msgspec.Struct, frozen=True):
    event_id: str
    is_participating: bool | msgspec.UnsetType = msgspec.UNSET
    device_settings: tuple[_Reserve, ...] = ()


def application(request: FlipRequest, batteries: tuple[str, ...]) -> EnrollmentRequest:
    """What the homeowner applies with; `batteries` are those of the home that Flip knows.

    Without `device_ids` all of them take part. Raises `InvalidInput` for what cannot be read or is not theirs.
    """
    wish = _read(request, _Application)
    if not batteries:
        raise InvalidInput("Flip does not know a battery at this home yet: wait until one is commissioned.")
    if strangers := set(wish.device_ids) - set(batteries):
        raise InvalidInput(f"{min(strangers)[:128]} is not a battery of this home that Flip knows: choose another.")
    return EnrollmentRequest(
        program_id=wish.program_id,
        device_ids=wish.device_ids or batteries,
        has_agreed_to_terms_and_conditions=wish.has_agreed_to_terms_and_conditions,
        terms_and_conditions_version=wish.terms_and_conditions_version,
        program_specific_attributes=tuple(
            ProgramAttribute(answer.name, _as_text(answer.value)) for answer in wish.program_specific_attributes
        ),
    )


def enrollment_to_leave(request: FlipRequest) -> str:
    """The enrollment's id at Flip."""
    return _read(request, _Leaving).enrollment_id


def event_to_change(request: FlipRequest, batteries: tuple[str, ...]) -> str:
    """The event's id at Flip; `batteries` are those of the home that Flip knows.

    Raises `InvalidInput` for what cannot be read, changes nothing or names a battery that is not the home's.
    """
    wish = _read(request, _EventWish)
    if strangers := {one.device_id for one in wish.device_settings} - set(batteries):
        raise InvalidInput(f"{min(strangers)[:128]} is not a battery of this home that Flip knows: choose another.")
    if wish.is_participating is msgspec.UNSET and not wish.device_settings:
        raise InvalidInput("Nothing of the event is changed: say what to change.")
    return wish.event_id


def event_changes(request: FlipRequest, event: Event) -> EventChanges | None:
    """What to tell Flip, or None where the event is as the homeowner wants it already.

    Flip replaces the settings as a whole: those of batteries that are not named are sent along as they are.
    """
    wish = _read(request, _EventWish)
    takes_part = msgspec.UNSET if wish.is_participating is event.is_participating else wish.is_participating
    kept = {one.device_id: one for one in event.device_settings}
    wanted = {
        one.device_id: DeviceSetting(
            device_id=one.device_id,
            backup_reserve_percentage=round(one.backup_reserve_percentage),  # Flip takes whole percents
            maximum_charge_percentage=kept[one.device_id].maximum_charge_percentage if one.device_id in kept else None,
        )
        for one in wish.device_settings
    }
    settings = msgspec.UNSET if kept | wanted == kept else tuple((kept | wanted).values())
    if takes_part is msgspec.UNSET and settings is msgspec.UNSET:
        return None
    return EventChanges(is_participating=takes_part, device_settings=settings)


def only_for(enrollments: list[Enrollment], thing_name: str) -> list[Enrollment]:
    """Those that go on and are this battery's alone: they end when it leaves."""
    return [one for one in enrollments if one.device_ids == (thing_name,) and one.status not in ENDED]


def running_in(enrollments: list[Enrollment], program_id: str) -> Enrollment | None:
    """The enrollment in a program that goes on, if there is one."""
    return next((one for one in enrollments if one.program_id == program_id and one.status not in ENDED), None)


def _as_text(answer: bool | float | str) -> str:
    if isinstance(answer, bool):
        return "true" if answer else "false"
    return str(int(answer)) if isinstance(answer, float) and answer.is_integer() else str(answer)


def _read(request: FlipRequest, kind: type[T]) -> T:
    try:
        return msgspec.convert(request.payload, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidInput(f"The request cannot be read: {str(error)[:200]}. Fill in the form again.") from error
