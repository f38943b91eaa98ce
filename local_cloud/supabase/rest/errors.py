"""PostgREST's errors: `{code, message, details, hint}`, and the HTTP status that belongs to each SQLSTATE."""

import msgspec
import psycopg

from local_cloud.supabase.service import Answer

_BY_STATE = {
    "23503": 409, "23505": 409, "25006": 405, "42883": 404, "42P01": 404, "42P17": 500, "53400": 500, "57P01": 503,
    "P0001": 400,
}  # fmt: skip
_BY_CLASS = {
    "08": 503, "09": 500, "0L": 403, "0P": 403, "25": 500, "28": 403, "2D": 500, "38": 500, "39": 500, "3B": 500,
    "40": 500, "53": 503, "54": 500, "55": 500, "57": 500, "58": 500, "F0": 500, "HV": 500, "P0": 500, "XX": 500,
}  # fmt: skip


class RestRefused(Exception):
    """A request that is answered with PostgREST's error body; its transaction is rolled back."""

    def __init__(
        self, status: int, code: str, message: str, details: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.hint = hint

    def answer(self) -> Answer:
        """The HTTP answer; HEAD clients read the code from Proxy-Status, as they get no body."""
        body = {"code": self.code, "details": self.details, "hint": self.hint, "message": self.message}
        headers = {"proxy-status": f"PostgREST; error={self.code}"}
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        return Answer(self.status, msgspec.json.encode(body), headers)


def unparsable(what: str, details: str) -> RestRefused:
    """A query parameter that does not follow the grammar."""
    return RestRefused(400, "PGRST100", f"failed to parse {what}", details)


def unsupported(what: str) -> RestRefused:
    """A thing that PostgREST does and the stand-in does not."""
    return RestRefused(400, "PGRST127", f"The embedded Supabase does not serve {what}", "docs/supabase.md lists what.")


def bad_body(message: str) -> RestRefused:
    """A body that is not the JSON that the request needs."""
    return RestRefused(400, "PGRST102", message)


def from_postgres(error: psycopg.Error, anonymous: bool) -> RestRefused:
    """PostgreSQL's own error as PostgREST passes it on."""
    state, diagnosis = error.sqlstate, error.diag
    if state is None:
        # psycopg itself refused the value: text with NUL, or a character that UTF-8 cannot carry.
        return RestRefused(400, "22021", "A value holds a character that PostgreSQL cannot store")
    return RestRefused(
        _status(state, diagnosis, anonymous),
        state,
        diagnosis.message_primary or "",
        diagnosis.message_detail,
        diagnosis.message_hint,
    )


def _status(state: str, diagnosis: psycopg.errors.Diagnostic, anonymous: bool) -> int:
    if state == "42501":
        return 401 if anonymous else 403
    if state.startswith("PT") and state[2:].isdigit() and 200 <= int(state[2:]) <= 599:
        return int(state[2:])
    return _BY_STATE.get(state) or _BY_CLASS.get(state[:2], 400)
