"""The body of an HTTP/1 answer: a reader for each way to say where it ends, fed and asked (RFC 9112, 6 and 7)."""

import re
from collections.abc import Callable
from typing import Protocol

from fleet.adapters.aws.http_head import MAX_HEAD_BYTES, Malformed, Unsized, are_fields

_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\0]*)?\r\n")
_MAX_CHUNK_LINE_BYTES = 4 * 1024


class Body(Protocol):
    """Is fed what comes after the head. Raises `Malformed`, also for what comes after the end."""

    def feed(self, data: bytes) -> bytes | None:
        """Take what came; the body once it is whole."""

    def close(self) -> bytes | None:
        """The connection ended: the body if that is how it ends, None if something is missing."""


def body_reader(ends: int | Unsized) -> Body:
    """The reader for what a head says."""
    if isinstance(ends, int):
        return Counted(ends)
    return Chunked() if ends is Unsized.CHUNKED else UntilClose()


class Counted:
    """So many bytes."""

    def __init__(self, length: int) -> None:
        self._left = length
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> bytes | None:
        self._left -= len(data)
        if self._left < 0:
            raise Malformed("it goes on after its end")
        self._parts.append(data)
        return None if self._left else b"".join(self._parts)

    def close(self) -> None:
        return None


class UntilClose:
    """Whatever comes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> None:
        self._parts.append(data)

    def close(self) -> bytes:
        return b"".join(self._parts)


class Chunked:
    """Chunk after chunk, the last one empty, and trailers, which are checked and dropped: nobody here asks for one."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._body = bytearray()
        self._left = 0  # of the chunk in hand
        self._trailer_bytes = 0
        self._next: Callable[[Chunked], bool] | None = Chunked._chunk_line

    def feed(self, data: bytes) -> bytes | None:
        self._buffer += data
        while self._next is not None:
            if not self._next(self):
                return None
        if self._buffer:
            raise Malformed("it goes on after its end")
        return bytes(self._body)

    def close(self) -> None:
        return None

    # What may come next: each takes what it can and says whether it is done.

    def _chunk_line(self) -> bool:
        line = self._take_line(_MAX_CHUNK_LINE_BYTES)
        if line is None:
            return False
        said = _CHUNK_LINE.fullmatch(line)
        if said is None:
            raise Malformed("a chunk has no size")
        self._left = int(said[1], 16)
        self._next = Chunked._data if self._left else Chunked._trailer
        return True

    def _data(self) -> bool:
        part = self._take(self._left)
        self._body += part
        self._left -= len(part)
        if self._left:
            return False
        self._next = Chunked._data_end
        return True

    def _data_end(self) -> bool:
        if not b"\r\n".startswith(self._buffer[:2]):
            raise Malformed("a chunk is longer than it says")
        if len(self._buffer) < 2:
            return False
        self._take(2)
        self._next = Chunked._chunk_line
        return True

    def _trailer(self) -> bool:
        line = self._take_line(MAX_HEAD_BYTES - self._trailer_bytes)
        if line is None:
            return False
        self._trailer_bytes += len(line)
        if line == b"\r\n":
            self._next = None
        elif not are_fields(line):
            raise Malformed("a trailer is no header field")
        return True

    def _take_line(self, limit: int) -> bytes | None:
        """Cut the first line off, its end included; None while it is not whole."""
        end = self._buffer.find(b"\r\n", 0, limit)
        if end >= 0:
            return self._take(end + 2)
        if len(self._buffer) >= limit:
            raise Malformed("a line is too long")
        return None

    def _take(self, length: int) -> bytes:
        """Cut off up to so many bytes."""
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken
