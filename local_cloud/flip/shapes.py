"""How Flip writes what the stand-in keeps: in the words of its newest pages, or of 2024 where a switch says so.

What is kept has the newest words; fields that begin with an underscore are the stand-in's own and go nowhere.
"""

from http import HTTPStatus
from typing import Any, Literal, cast

from local_cloud.flip.refusals import Problem
from local_cloud.flip.state import Document, State

Generation = Literal["2025", "2024"]
_SWITCH = "generation"


def generation_of(state: State) -> Generation:
    """The generation that is spoken now: the newest, until it is switched."""
    return cast(Generation, (state.get("setting", _SWITCH) or {}).get("words", "2025"))


def speak(state: State, generation: Generation) -> None:
    """Speak this generation from here on, also after a restart."""
    state.put("setting", {"id": _SWITCH, "words": generation})


def public(document: Document) -> Document:
    """The document without what is the stand-in's own."""
    return {name: value for name, value in document.items() if not name.startswith("_")}


def written(kind: str, document: Document, generation: Generation) -> Document:
    """A `command`, `enrollment` or anything else as that generation writes it."""
    shown = public(document)
    if generation == "2025":
        return shown
    return {"command": _command_of_2024, "enrollment": _enrollment_of_2024}.get(kind, public)(shown)


def error_body(status: int, message: str, problems: list[Problem], generation: Generation) -> Document:
    """The body of a refusal."""
    if generation == "2024":
        if status == HTTPStatus.UNPROCESSABLE_ENTITY:
            return {
                "detail": [{"loc": ["body", *n.split(".")], "msg": said, "type": "value_error"} for n, said in problems]
            }
        phrase = HTTPStatus(status).phrase
        return {"code": _code(status), "error": phrase, "message": message, "statusCode": status}
    errors = [{"path": name, "message": said} for name, said in problems]
    return {"code": _code(status), "message": message, "status_code": status, "detail": [], "errors": errors}


def _code(status: int) -> str:
    return HTTPStatus(status).phrase.upper().replace(" ", "_")


def _command_of_2024(command: Document) -> Document:
    told = {name: command[name] for name in ("status", "device_status")}
    older: dict[str, Any] = {
        "start_at": command["starts_at"],
        "battery_commands": [{**told, **command["battery_commands"]}],
    }
    newer = {"starts_at", "battery_commands", "device_status", "device_status_reason", "event_id", "object_type"}
    return {**{name: value for name, value in command.items() if name not in newer}, **older}


def _enrollment_of_2024(enrollment: Document) -> Document:
    shown = {name: value for name, value in enrollment.items() if name not in {"enroll_method", "object_type"}}
    return {**shown, "enrollment_method": enrollment["enroll_method"]}
