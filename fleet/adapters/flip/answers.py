"""Flip's status codes turned into our errors."""

from typing import Any

import httpx
import msgspec

from fleet.errors import Conflict, FleetError, InvalidInput, NotConfigured, NotFound, Refused, Unavailable
from fleet.flip import invalid_fields, read_invalid_fields


class TokenRefused(Refused):
    """The token is unknown, revoked or past its end; another one may do."""


PASSING = (Unavailable, NotConfigured, TokenRefused)
"""What says nothing of what was asked: time or an operator mends it, and the same call may go through then."""


_SENTENCES: dict[int, tuple[type[FleetError], str]] = {
    401: (TokenRefused, "Flip does not know the token used to {doing}: set FLEET_FLIP_TOKEN to a valid one."),
    403: (Refused, "Flip does not allow this token to {doing}: ask Flip which sites and calls it opens."),
    404: (NotFound, "Flip does not know what was named to {doing}: {said}"),
    409: (Conflict, "Flip did not {doing}, since it collides with what exists: {said}"),
    429: (Unavailable, "Flip asks to slow down and did not {doing}: try again later."),
}


def refusal(doing: str, answer: httpx.Response) -> FleetError:
    """The error for an answer that is no success; `doing` is a verb phrase such as `read the site`."""
    code, body = answer.status_code, _body(answer)
    if code == 422:
        return invalid_fields(doing, read_invalid_fields(body), message_in(body))
    if code >= 500 or code < 400:
        return Unavailable(f"Flip could not {doing} (status {code}): try again later.")
    kind, sentence = _SENTENCES.get(code, (InvalidInput, "Flip refused to {doing} (status {code}): {said}"))
    return kind(sentence.format(doing=doing, code=code, said=message_in(body) or "no reason given."))


def message_in(body: Any) -> str:
    """Flip's own sentence in an error's body, shortened; empty when there is none."""
    found = (body.get(name) for name in ("message", "detail", "error")) if isinstance(body, dict) else ()
    return next((text[:300] for text in found if isinstance(text, str)), "")


def _body(answer: httpx.Response) -> Any:
    try:
        return msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
