"""An answer ends where HTTP says so, in whatever pieces it comes; what has no certain end is refused."""

from itertools import pairwise

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.adapters.aws.http_answer import MAX_ANSWER_BYTES, Answer, AnswerReader
from fleet.adapters.aws.http_head import MAX_HEAD_BYTES, Malformed

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
FALSE_END = b"ab0\r\n\r\n"  # what an empty chunk and no trailers look like
GOOD = {
    "of a length": (OK + b"Date: now\r\ncontent-LENGTH:\t5 \r\n\r\nhello", 200, b"hello"),
    "empty": (OK + b"Content-Length: 0\r\n\r\n", 200, b""),
    "of one length, said twice": (OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
    "without a reason": (b"HTTP/1.1 503\r\nContent-Length: 4\r\n\r\nbusy", 503, b"busy"),
    "with a folded field": (OK + b"X-Long: a\r\n  b\r\nContent-Length: \r\n\t2\r\n\r\nhi", 200, b"hi"),
    "in chunks": (CHUNKED + b"3\r\nhel\r\n0002\r\nlo\r\n0\r\n\r\n", 200, b"hello"),
    "in chunks, none but the last": (CHUNKED + b"0\r\n\r\n", 200, b""),
    "in chunks with extensions": (CHUNKED + b'2;a="1;2";b\r\nhi\r\n0;last\r\n\r\n', 200, b"hi"),
    "in chunks with trailers": (CHUNKED + b"A\r\n0123456789\r\n0\r\nETag: x\r\nX-End: 0\r\n\r\n", 200, b"0123456789"),
    "in chunks, one of which looks like the end": (CHUNKED + b"7\r\n" + FALSE_END + b"\r\n0\r\n\r\n", 200, FALSE_END),
    "of a length, and looks like the end": (OK + b"Content-Length: 7\r\n\r\n" + FALSE_END, 200, FALSE_END),
    "after interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        + OK
        + b"Content-Length: 2\r\n\r\nhi",
        200,
        b"hi",
    ),
    "of no body, whatever its length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b""),
    "of no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
}
AT_CLOSE = {
    "of no length": (OK + b"Content-Type: text/html\r\n\r\n<html>\r\n\r\n</html>", b"<html>\r\n\r\n</html>"),
    "of HTTP/1.0": (b"HTTP/1.0 502 Bad Gateway\r\n\r\n", b""),
}
BAD = {
    "another protocol": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "a TLS record": b"\x15\x03\x01\x00\x02\x02\x16",
    "a later version": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n",
    "a change of protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "a line that is no field": OK + b"Content-Length 5\r\n\r\nhello",
    "a space before the colon": OK + b"Content-Length : 5\r\n\r\nhello",
    "a NUL in a field": OK + b"X-A: \0\r\nContent-Length: 0\r\n\r\n",
    "both lengths": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a list of lengths": OK + b"Content-Length: 5, 6\r\n\r\nhello!",
    "a negative length": OK + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": OK + b"Content-Length: +5\r\n\r\nhello",
    "an empty length": OK + b"Content-Length:\r\n\r\n",
    "a length without an end": OK + b"Content-Length: " + b"9" * 100 + b"\r\n\r\n",
    "another coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk without a size": CHUNKED + b"\r\nhello\r\n0\r\n\r\n",
    "a chunk's size that is none": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk's size that is negative": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    "a chunk's size without an end": CHUNKED + b"f" * 17 + b"\r\nhello\r\n0\r\n\r\n",
    "a chunk that is longer than it says": CHUNKED + b"4\r\nhello\r\n0\r\n\r\n",
    "an endless chunk extension": CHUNKED + b"5;" + b"x" * 5_000,
    "a trailer that is no field": CHUNKED + b"0\r\nnonsense\r\n\r\n",
    "endless trailers": CHUNKED + b"0\r\n" + b"X-A: b\r\n" * 10_000,
    "an endless head": OK + b"X-A: b\r\n" * 10_000,
    "a head that ends too late": OK + b"X-A: " + b"b" * MAX_HEAD_BYTES + b"\r\nContent-Length: 0\r\n\r\n",
    "more than its length": OK + b"Content-Length: 5\r\n\r\nhello!",
    "more than its chunks": CHUNKED + b"0\r\n\r\n" + OK,
    "more than nothing": b"HTTP/1.1 204 No Content\r\n\r\nx",
}


def read(pieces: list[bytes], method: str = "POST") -> Answer | None:
    reader, answer = AnswerReader(method), None
    for piece in pieces:
        answer = reader.feed(piece)
    return answer or reader.close()


def cut(data: bytes, *places: int) -> list[bytes]:
    return [data[start:end] for start, end in pairwise([0, *sorted(places), len(data)]) if end > start]


def outcome(pieces: list[bytes]) -> Answer | str | None:
    """What `read` gives, or that it refuses."""
    try:
        return read(pieces)
    except Malformed:
        return "malformed"


@pytest.mark.parametrize(("said", "status", "body"), GOOD.values(), ids=GOOD)
def test_an_answer_is_read(said: bytes, status: int, body: bytes) -> None:
    answer = read([said])
    assert answer is not None
    assert (answer.status, answer.body, answer.closes) == (status, body, False)


@pytest.mark.parametrize(("said", "_", "body"), GOOD.values(), ids=GOOD)
def test_h11_reads_the_same(said: bytes, _: int, body: bytes) -> None:
    theirs = h11.Connection(h11.CLIENT)
    theirs.send(h11.Request(method="POST", target="/", headers=[("host", "x"), ("content-length", "0")]))
    theirs.send(h11.EndOfMessage())
    theirs.receive_data(said)
    parts = []
    while not isinstance(event := theirs.next_event(), h11.EndOfMessage):
        assert event is not h11.NEED_DATA
        parts += [bytes(event.data)] if isinstance(event, h11.Data) else []
    assert b"".join(parts) == body


@pytest.mark.parametrize("said", [said for said, *_ in GOOD.values()], ids=GOOD)
def test_an_answer_is_the_same_cut_in_two_anywhere(said: bytes) -> None:
    whole = read([said])
    assert all(read(cut(said, place)) == whole for place in range(1, len(said)))


EXAMPLES = [said for said, *_ in (*GOOD.values(), *AT_CLOSE.values())] + list(BAD.values())


@given(st.data(), st.sampled_from(EXAMPLES))
def test_an_answer_is_the_same_cut_in_three_anywhere(data: st.DataObject, said: bytes) -> None:
    place = st.integers(0, len(said))
    assert outcome(cut(said, data.draw(place), data.draw(place))) == outcome([said])


@pytest.mark.parametrize("said", [each for each in EXAMPLES if len(each) < 1_000])
def test_an_answer_is_the_same_byte_by_byte(said: bytes) -> None:
    assert outcome([bytes([each]) for each in said]) == outcome([said])


@given(st.lists(st.binary(min_size=1, max_size=40)), st.sampled_from([b"", b"X-End: 0\r\n"]), st.integers(1, 50))
def test_chunks_of_any_bytes_are_joined(chunks: list[bytes], trailers: bytes, step: int) -> None:
    said = CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in chunks) + b"0\r\n" + trailers + b"\r\n"
    answer = read(cut(said, *range(step, len(said), step)))
    assert answer is not None
    assert answer.body == b"".join(chunks)


@pytest.mark.parametrize("said", [said for said, *_ in GOOD.values()], ids=GOOD)
def test_no_answer_is_whole_before_its_last_byte(said: bytes) -> None:
    reader = AnswerReader("POST")
    assert reader.feed(said[:-1]) is None
    assert reader.close() is None


@pytest.mark.parametrize(("said", "body"), AT_CLOSE.values(), ids=AT_CLOSE)
def test_a_body_of_no_length_ends_with_the_connection(said: bytes, body: bytes) -> None:
    reader = AnswerReader("POST")
    assert reader.feed(said) is None
    answer = reader.close()
    assert answer is not None
    assert (answer.body, answer.closes) == (body, True)


@pytest.mark.parametrize("said", BAD.values(), ids=BAD)
def test_what_has_no_certain_end_is_refused(said: bytes) -> None:
    with pytest.raises(Malformed):
        AnswerReader("POST").feed(said)


def test_what_begins_as_no_answer_is_refused_at_once() -> None:
    with pytest.raises(Malformed):
        AnswerReader("POST").feed(b"SSH-2.0")


def test_an_endless_answer_is_refused() -> None:
    reader = AnswerReader("POST")
    reader.feed(OK + b"\r\n")
    with pytest.raises(Malformed):
        for _ in range(MAX_ANSWER_BYTES // 1_000_000 + 1):
            reader.feed(bytes(1_000_000))


def test_an_answer_to_head_has_no_body() -> None:
    answer = read([OK + b"Content-Length: 5\r\n\r\n"], "HEAD")
    assert answer is not None
    assert answer.body == b""


@pytest.mark.parametrize(
    ("fields", "closes"),
    [
        (b"Connection: keep-alive\r\n", False),
        (b"Connection: close\r\n", True),
        (b"connection:TE, Close\r\n", True),
        (b"Connection: TE\r\nConnection: close\r\n", True),
        (b"X-Connection: close\r\n", False),
    ],
)
def test_an_answer_says_whether_the_connection_ends(fields: bytes, closes: bool) -> None:
    answer = read([OK + fields + b"Content-Length: 0\r\n\r\n"])
    assert answer is not None
    assert answer.closes is closes
