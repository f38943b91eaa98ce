"""The head of an HTTP/1 answer, and what it says of where the body ends and of the connection (RFC 9112)."""

import re
from enum import Enum
from typing import NamedTuple

MAX_HEAD_BYTES = 64 * 1024
_END = b"\r\n\r\n"
_STATUS_LINE = rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\r\n\0]*+)?\r\n"
_FIELD = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]++:[^\r\n\0]*+\r\n"
_HEAD = re.compile(_STATUS_LINE + rb"(?:" + _FIELD + rb")*+\r\n")
_FIELDS = re.compile(rb"(?:" + _FIELD + rb")*+")
_FOLD = re.compile(rb"\r\n[ \t]+")
# Of a head that is known to be one, in lower case: what matters in one pass, which costs half of splitting every line.
_FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding|connection):([^\r]*)")
_MAX_DIGITS = 18


class Malformed(ValueError):
    """What came is no HTTP answer, or one whose end cannot be told."""


class Unsized(Enum):
    """How a body ends that has no length."""

    CHUNKED = "with a chunk of no bytes"
    AT_CLOSE = "where the connection ends"


class Head(NamedTuple):
    """Status, head as it came, the body's length in bytes or how it ends, and whether the connection ends after it."""

    status: int
    raw: bytes
    body: int | Unsized
    closes: bool


def take_head(data: bytes, method: str) -> tuple[Head, bytes] | None:
    """The head of the answer to `method` that `data` begins with, and what follows it; None while it is not whole.

    Interim answers (1xx) before it are dropped. Raises `Malformed`.
    """
    while (end := data.find(_END, 0, MAX_HEAD_BYTES)) >= 0:
        end += len(_END)
        head, data = _read(data[:end], method), data[end:]
        if head.status >= 200:
            return head, data
    if len(data) >= MAX_HEAD_BYTES or not b"HTTP/1.".startswith(data[:7]):
        raise Malformed("it does not begin with an HTTP head")
    return None


def are_fields(lines: bytes) -> bool:
    """Whether these are header fields, each with its line end."""
    return _FIELDS.fullmatch(lines) is not None


def _read(raw: bytes, method: str) -> Head:
    said = _HEAD.fullmatch(raw) or _HEAD.fullmatch(_FOLD.sub(b" ", raw))
    if said is None:
        raise Malformed("a line of its head is no header field")
    lengths: list[bytes] = []
    codings: list[bytes] = []
    closes = old = said[1] == b"0"
    for name, value in _FRAMING.findall(said.string.lower()):
        if name == b"connection":
            closes = closes or b"close" in value  # also in another word: a connection less does no harm
        else:
            (lengths if name == b"content-length" else codings).append(value.strip(b" \t"))
    status = int(said[2])
    body = 0 if _bodiless(status, method) else _body(lengths, codings, old)
    return Head(status, raw, body, closes or body is Unsized.AT_CLOSE)


def _bodiless(status: int, method: str) -> bool:
    """Whether no body follows, whatever the fields say."""
    if status == 101:
        raise Malformed("it changes to a protocol that nobody asked for")
    return status < 200 or status in (204, 304) or method == "HEAD" or (method == "CONNECT" and status < 300)


def _body(lengths: list[bytes], codings: list[bytes], old: bool) -> int | Unsized:
    """Refuses what two readers might read differently: the rest would be taken for the next answer."""
    if codings:
        if lengths or old or codings != [b"chunked"]:
            raise Malformed("the transfer encoding of its body is not chunked alone")
        return Unsized.CHUNKED
    if not lengths:
        return Unsized.AT_CLOSE
    length = lengths[0]
    if lengths.count(length) < len(lengths) or not length.isdigit() or len(length) > _MAX_DIGITS:
        raise Malformed("its body has no length or several")
    return int(length)
