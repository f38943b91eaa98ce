"""What strangers send: good bytes with a few things done to them, and JSON that no writer of JSON makes."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

from hypothesis import strategies as st

CPU_SECONDS = 2.0
"""What one reading may take of a processor, whatever it reads: a hundred times what it does take."""

TOKENS: Sequence[bytes] = (
    b"", b"null", b"NaN", b"-Infinity", b"1e400", b"-0", b"9" * 4_400, b"1" + b"0" * 25, b"0.1e-400", b"true",
    b"[" * 5_000, b'{"a":' * 5_000, b"]" * 9, b"{}", b'"', b"\\", b'"\\ud800"', b'"\\u0000"', b"\x00",
    b"\xff\xfe", b"\xc0\x80", b"\r\n", b"\n\n", b";", b",", b'""', b"=cmd|'/c calc'!A0", b"../../etc/passwd",
    b"%2e%2e%2f", b"'; DROP TABLE x; --", b"<script>", b"\xe2\x80\xae", b'"0001-01-01T00:00:00+23:59"',
    b'"9999-12-31T23:59:59-23:59"', b"-----BEGIN ", b"=" * 70,
)  # fmt: skip


def spoiled(good: bytes) -> st.SearchStrategy[bytes]:
    """`good`, up to six times cut, repeated, overwritten, or with something put in, anywhere.

    Of a seed, because places that Hypothesis chooses itself are mostly the first and the last.
    """
    return st.integers(0, 2**64 - 1).map(lambda seed: _spoiled(good, Random(seed)))


def _spoiled(content: bytes, chance: Random) -> bytes:
    for _ in range(chance.randint(1, 6)):
        start = chance.randint(0, len(content))
        end = min(len(content), start + chance.choice([0, 0, 1, 8, 64, 4_096]))
        put_in = chance.choice([chance.choice(TOKENS), chance.randbytes(chance.randint(0, 8)), content[start:end] * 3])
        content = content[:start] + put_in + content[end:]
    return content


odd_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**80), 2**80) | st.text(max_size=20)
    | st.sampled_from(["", "\0", "\ud800", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "x" * 3_000]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@st.composite
def odd_fields(draw: st.DrawFn, good: dict[str, Any]) -> dict[str, Any]:
    """`good` with some fields, however deep, gone, of another kind, or beside others."""
    changed: dict[str, Any] = json.loads(json.dumps(good))
    for _ in range(draw(st.integers(1, 4))):
        where = draw(st.sampled_from(list(_places(changed)) or [(changed, "new")]))
        holder, key = where
        if draw(st.booleans()) and isinstance(holder, dict):
            holder.pop(key, None)
        else:
            holder[key] = draw(odd_values)
    return changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)


def encoded(value: Any) -> bytes:
    """JSON as strangers may write it: NaN, and halves of characters, included."""
    return json.dumps(value).encode()


@contextmanager
def soon(what: str = "it") -> Iterator[None]:
    """Fails where what is inside takes the processor for longer than `CPU_SECONDS`; waiting is free."""
    before = time.thread_time()
    yield
    spent = time.thread_time() - before
    assert spent < CPU_SECONDS, f"{what} took {spent:.1f} s of a processor"
