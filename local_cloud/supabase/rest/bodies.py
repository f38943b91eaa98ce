"""JSON bodies: only their shape and their keys are read here; PostgreSQL reads the values."""

from dataclasses import dataclass
from typing import Any

import msgspec

from local_cloud.supabase.rest.errors import bad_body

Shape = dict[str, msgspec.Raw]


@dataclass(frozen=True)
class Rows:
    """A JSON array of objects as text, with the columns that they fill."""

    json: bytes
    columns: tuple[str, ...]
    count: int


def read_object(body: bytes) -> tuple[Shape, bytes]:
    """A single JSON object's keys, and its text. An empty body is `{}`. Raises `RestRefused` (400)."""
    text = body or b"{}"
    return _decode(text, Shape), text


def read_rows(body: bytes, columns: tuple[str, ...] | None) -> Rows:
    """One object or an array of objects. Without `columns` all must have the same keys. Raises `RestRefused` (400)."""
    shape: Shape | list[Shape] = _decode(body, Shape | list[Shape])
    rows, text = (shape, body) if isinstance(shape, list) else ([shape], b"[" + body + b"]")
    keys = {tuple(sorted(row)) for row in rows}
    if columns is None and len(keys) > 1:
        raise bad_body("All object keys must match")
    return Rows(text, columns if columns is not None else tuple(next(iter(keys), ())), len(rows))


def uniform(body: bytes) -> bool:
    """Whether all rows of a body have the same keys."""
    shape: Shape | list[Shape] = _decode(body, Shape | list[Shape])
    return not isinstance(shape, list) or len({frozenset(row) for row in shape}) <= 1


def _decode(body: bytes, shape: Any) -> Any:
    try:
        body.decode()
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_body("Empty or invalid json") from error
