"""One answer, cut out of the bytes of a connection: a state machine that is fed and asked, and knows no socket."""

from typing import NamedTuple

from fleet.adapters.aws.http_body import Body, body_reader
from fleet.adapters.aws.http_head import Head, Malformed, take_head

MAX_ANSWER_BYTES = 16 * 1024 * 1024


class Answer(NamedTuple):
    """Status code, head as it came, the body, and whether the connection ends after it."""

    status: int
    head: bytes
    body: bytes
    closes: bool


class AnswerReader:
    """Reads the answer to one request of `method`, in whatever pieces it comes."""

    def __init__(self, method: str) -> None:
        self._method = method
        self._fed = 0  # bytes
        self._before = b""  # what came of a head that is not whole
        self._begun: tuple[Head, Body] | None = None

    def feed(self, data: bytes) -> Answer | None:
        """Take what came; the answer once it is whole.

        Raises `Malformed` for what is no HTTP answer, is longer than `MAX_ANSWER_BYTES`, or goes on after its end.
        """
        self._fed += len(data)
        if self._fed > MAX_ANSWER_BYTES:
            raise Malformed("it is too long")
        if self._begun is None:
            taken = take_head(self._before + data, self._method)
            if taken is None:
                self._before += data
                return None
            head, data = taken
            self._begun = head, body_reader(head.body)
        head, body = self._begun
        return _answer(head, body.feed(data))

    def close(self) -> Answer | None:
        """The connection ended: the answer if that is how it ends, None if something is missing."""
        if self._begun is None:
            return None
        head, body = self._begun
        return _answer(head, body.close())


def _answer(head: Head, body: bytes | None) -> Answer | None:
    return None if body is None else Answer(head.status, head.raw, body, head.closes)
