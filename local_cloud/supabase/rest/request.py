"""One REST request, read from its query string and headers into a value."""

import re
from dataclasses import dataclass

from local_cloud.supabase.rest.errors import RestRefused, unparsable, unsupported
from local_cloud.supabase.rest.filters import Filter, parse_filter
from local_cloud.supabase.rest.grammar import OrderTerm, SelectItem, parse_columns, parse_order, parse_select
from local_cloud.supabase.service import Call

_JSON = ("application/json", "*/*", "application/*", "application/vnd.pgrst.array+json", "application/vnd.pgrst.array")
_OBJECT = ("application/vnd.pgrst.object+json", "application/vnd.pgrst.object")
_FEATURES = frozenset({"select", "order", "limit", "offset", "columns", "on_conflict"})
_RANGE = re.compile(r"(?:items=)?(\d{1,9})-(\d{0,9})")


@dataclass(frozen=True)
class Preferences:
    """The Prefer header: what comes back, and what happens to rows that exist."""

    returning: str = "minimal"
    resolution: str = ""
    counted: bool = False
    missing_default: bool = False
    max_affected: int | None = None


@dataclass(frozen=True)
class RestRequest:
    """What is asked of one relation or of a function's result. `limit` is in rows; None means no limit."""

    select: tuple[SelectItem, ...]
    filters: tuple[Filter, ...]
    order: tuple[OrderTerm, ...]
    limit: int | None
    offset: int
    columns: tuple[str, ...] | None
    on_conflict: tuple[str, ...]
    single: bool
    strip_nulls: bool
    prefer: Preferences


def read_request(call: Call, arguments: frozenset[str] = frozenset()) -> RestRequest:
    """Parse all but the body. Query parameters named in `arguments` belong to a function and are left out.

    Raises `RestRefused` (400, 406, 416).
    """
    _check_profile(call)
    single, strip_nulls = _accept(call.headers.get("accept", "*/*"))
    limit, offset = _window(call)
    columns = call.parameter("columns")
    own = [pair for pair in call.query if pair[0] not in _FEATURES and pair[0] not in arguments]
    return RestRequest(
        select=parse_select(_last(call, "select")),
        filters=tuple(parse_filter(key, value) for key, value in own),
        order=parse_order(call.parameter("order")),
        limit=limit,
        offset=offset,
        columns=parse_columns(columns, "columns") if columns else None,
        on_conflict=parse_columns(call.parameter("on_conflict"), "on_conflict"),
        single=single,
        strip_nulls=strip_nulls,
        prefer=_preferences(call.headers.get("prefer", "")),
    )


def _last(call: Call, name: str) -> str:
    # supabase-py adds a second `select` where a query names its columns after the verb.
    return next((value for key, value in reversed(call.query) if key == name), "")


def _check_profile(call: Call) -> None:
    for header in ("accept-profile", "content-profile"):
        if (schema := call.headers.get(header, "public")) != "public":
            hint = "Only the following schemas are exposed: public"
            raise RestRefused(406, "PGRST106", f"Invalid schema: {schema}", None, hint)


def _accept(header: str) -> tuple[bool, bool]:
    for entry in header.split(","):
        media_type, *options = (part.strip() for part in entry.split(";"))
        strip_nulls = "nulls=stripped" in options
        if media_type in _JSON:
            return False, strip_nulls
        if media_type in _OBJECT:
            return True, strip_nulls
    raise RestRefused(406, "PGRST107", f"None of these media types are available: {header[:200]}")


def _window(call: Call) -> tuple[int | None, int]:
    """Limit and offset, from the parameters or else from the Range header."""
    header = _RANGE.fullmatch(call.headers.get("range", "")) if call.method in ("GET", "HEAD") else None
    first, limit = 0, None
    if header:
        first = int(header[1])
        limit = int(header[2]) - first + 1 if header[2] else None
    if limit is not None and limit < 1:
        details = "The lower boundary must be lower than or equal to the upper boundary in the Range header."
        raise RestRefused(416, "PGRST103", "Requested range not satisfiable", details)
    text = call.parameter("limit")
    return (_number("limit", text) if text else limit), _number("offset", call.parameter("offset") or str(first))


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise unparsable(f'"{name}" parameter ({text[:50]})', "expecting a number of rows")
    return int(text)


def _preferences(header: str) -> Preferences:
    given = {}
    for entry in header.split(","):
        name, _, value = entry.strip().partition("=")
        given[name] = value
    if "tx" in given:
        raise unsupported("Prefer: tx")
    affected = given.get("max-affected", "") if given.get("handling") == "strict" else ""
    return Preferences(
        returning=given.get("return", "minimal"),
        resolution=given.get("resolution", ""),
        counted=given.get("count") in ("exact", "planned", "estimated"),
        missing_default=given.get("missing") == "default",
        max_affected=_number("max-affected", affected) if affected else None,
    )
