"""Supabase's error codes and what they mean here. Messages are shown or dropped, never read for a decision."""

from postgrest.exceptions import APIError
from supabase_auth.errors import AuthError

from fleet.errors import Conflict, FleetError, InvalidInput, NotFound, Refused, Unavailable

_SIGN_IN_AGAIN = "You are signed out: sign in again."
_MAIL_CAP = "Too many codes were asked for: wait a minute, then ask for one more."

# Auth: code, our error, the sentence for the visitor. Source: Supabase docs, "Auth error codes".
_AUTH: dict[str, tuple[type[FleetError], str]] = {
    "otp_expired": (Refused, "This code is wrong, used or older than ten minutes: check it or ask for a new one."),
    "over_email_send_rate_limit": (Unavailable, _MAIL_CAP),
    "over_request_rate_limit": (Unavailable, "Too many tries from here: wait five minutes, then try again."),
    "request_timeout": (Unavailable, "Signing in took too long: try again."),
    "validation_failed": (InvalidInput, "Supabase cannot use what was given: correct it."),
    "email_address_invalid": (InvalidInput, "Mail cannot be sent to this address: correct it."),
    "email_address_not_authorized": (Refused, "Mail to this address is not allowed until SMTP is set up in Supabase."),
    "otp_disabled": (Refused, "New accounts are not allowed here: ask the operator."),
    "signup_disabled": (Refused, "New accounts are not allowed here: ask the operator."),
    "user_banned": (Refused, "This account is locked: ask the operator."),
    "email_exists": (Conflict, "An account with this address exists."),
    "not_admin": (Refused, "This needs the service_role key."),
}
_AUTH_SIGNED_OUT = frozenset(
    {
        "bad_jwt", "no_authorization", "session_not_found", "session_expired", "user_not_found", "invalid_jwt",
        "refresh_token_not_found", "refresh_token_already_used", "invalid_credentials",
    }
)  # fmt: skip

# REST: PostgREST's codes and SQLSTATE, by code and else by class.
_REST: dict[str, type[FleetError]] = {
    "42501": Refused, "23505": Conflict, "23503": Conflict, "23P01": Conflict, "PGRST116": NotFound,
    "PGRST202": NotFound, "PGRST205": NotFound, "PGRST103": InvalidInput, "P0001": InvalidInput, "PT403": Refused,
    "PT404": NotFound, "PT409": Conflict, "PT410": Refused, "PT422": InvalidInput, "PT429": Unavailable,
    "40001": Unavailable, "40P01": Unavailable, "57014": Unavailable, "PGRST000": Unavailable,
    "PGRST001": Unavailable, "PGRST002": Unavailable, "PGRST003": Unavailable, "413": InvalidInput,
}  # fmt: skip
_REST_CLASSES: dict[str, type[FleetError]] = {
    "08": Unavailable, "53": Unavailable, "57": Unavailable, "22": InvalidInput, "23": InvalidInput,
}  # fmt: skip
_REST_SIGNED_OUT = frozenset({"PGRST300", "PGRST301", "PGRST302", "PGRST303"})
# Raised by our own functions (RAISE EXCEPTION), with a sentence that is meant for the reader.
_OUR_SENTENCES = ("P0001", "PT")


def error_from_auth(error: AuthError, doing: str, signed_out: type[FleetError]) -> FleetError:
    """The fleet's error for an error of Supabase Auth; unknown codes are `Unavailable` from 500 on, else `Refused`."""
    code, status = str(error.code or ""), int(getattr(error, "status", 0) or 0)
    if code in _AUTH_SIGNED_OUT:
        return signed_out(_SIGN_IN_AGAIN)
    if code in _AUTH:
        kind, sentence = _AUTH[code]
        return kind(sentence)
    if status >= 500 or not (code or status):  # no code and no status: an answer that is not Supabase's at all
        return Unavailable(f"Supabase failed at {doing} ({code or status}): try again in a moment.")
    return Refused(f"Supabase refused {doing} ({code or status}).")


def error_from_api(error: APIError, doing: str, signed_out: type[FleetError]) -> FleetError:
    """The fleet's error for an error of Supabase REST."""
    code = error.code or ""
    if code in _REST_SIGNED_OUT:
        return signed_out(_SIGN_IN_AGAIN)
    kind = _REST.get(code) or _REST_CLASSES.get(code[:2]) or _by_status(code)
    if code.startswith(_OUR_SENTENCES) and error.message:
        return kind(error.message)
    return kind(f"Supabase refused {doing} ({code or 'no code'}).")


def _by_status(code: str) -> type[FleetError]:
    """For answers that come from a proxy, where the code is the HTTP status."""
    if len(code) == 3 and code.isdigit():
        return Unavailable if code == "429" or code >= "500" else Refused
    return Refused
