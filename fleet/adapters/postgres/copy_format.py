"""COPY's binary format, for many rows of one shape at once.

Source: PostgreSQL, COPY, "Binary Format"; `array_recv` for arrays. Each value has its length before it, -1 for NULL.
Of an array that is: how many dimensions, whether it has NULLs, the type of its elements, of each dimension its size and
first index, and then the elements, each with its length.
"""

import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleet.adapters.postgres import Connection
from fleet.telemetry.chunks import Numbers

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
NULL = struct.pack(">i", -1)
_EPOCH, _MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_EPOCH_MS = int(_EPOCH.timestamp() * 1000)
_OIDS = {"i8": 20, "i4": 23}


def copy_rows(connection: Connection, statement: bytes, rows: bytes) -> None:
    """Write rows of this format, from `HEADER` to `TRAILER`."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(rows)


def each_row(rows: NDArray[Any]) -> Iterator[bytes]:
    """The bytes of one after the other."""
    blob, width = rows.tobytes(), rows.itemsize
    return (blob[begin : begin + width] for begin in range(0, len(blob), width))


def microseconds(at: datetime) -> int:
    """Since 2000, UTC, as PostgreSQL counts them."""
    return (at - _EPOCH) // _MICROSECOND


def since_2000(milliseconds: Numbers) -> Numbers:
    """Of milliseconds since 1970, the microseconds as PostgreSQL counts them."""
    return (milliseconds - _EPOCH_MS) * 1000


def since_1970(us: Numbers) -> Numbers:
    """Of microseconds as PostgreSQL counts them, the milliseconds since 1970."""
    return us // 1000 + _EPOCH_MS


def of_lengths(*types: str) -> list[Any]:
    """Fields of values of these types, `value_0` the first, each with its length."""
    return [pair for number, kind in enumerate(types)
            for pair in ((f"length_{number}", ">i4"), (f"value_{number}", f">{kind}"))]  # fmt: skip


def fill(rows: NDArray[Any], values: Sequence[Any]) -> None:
    """The fields of `of_lengths`, from the first on."""
    for number, value in enumerate(values):
        rows[f"value_{number}"] = value
        rows[f"length_{number}"] = rows.dtype[f"value_{number}"].itemsize


def of_array(name: str, kind: str, *shape: int) -> list[Any]:
    """Fields of an array of that shape."""
    return [(f"{name}_head", ">i4", _head_size(shape)), (name, _elements(kind), shape)]


def array_of(rows: NDArray[Any], name: str, values: NDArray[Any]) -> None:
    """The fields of `of_array`, of each row its `values`."""
    of, shape = rows.dtype[name].base, values.shape[1:]
    kind = of["value"].str[1:]
    length = 4 * (_head_size(shape) - 1) + of.itemsize * prod(shape)
    rows[f"{name}_head"] = (length, len(shape), 0, _OIDS[kind], *(each for size in shape for each in (size, 1)))
    rows[name]["length"], rows[name]["value"] = of["value"].itemsize, values


def of_int16(name: str, *shape: int) -> list[Any]:
    """Fields of numbers of 16 bits, as `fleet.int16_at` reads them."""
    return [(f"{name}_length", ">i4"), (name, ">u2", shape)]


def int16_of(rows: NDArray[Any], name: str, values: Numbers) -> None:
    """The fields of `of_int16`, of each row its `values`."""
    rows[f"{name}_length"] = rows.dtype[name].itemsize
    rows[name] = values + 2**15


def int16s(values: Sequence[bytes], *shape: int) -> NDArray[np.int16]:
    """What the server sends of numbers of 16 bits, of that shape each."""
    found = np.frombuffer(b"".join(values), dtype=">u2").reshape(len(values), *shape)
    return (found ^ 2**15).astype(np.uint16).view(np.int16)  # less 2^15, which is how they are sent


def arrays(values: Sequence[bytes], kind: str, *shape: int) -> NDArray[Any]:
    """What the server sends of arrays of that shape, without the length before them; without NULLs."""
    one = np.dtype([("head", ">i4", _head_size(shape) - 1), ("elements", _elements(kind), shape)])
    return np.asarray(np.frombuffer(b"".join(values), dtype=one)["elements"]["value"])


def _head_size(shape: Sequence[int]) -> int:
    """Numbers before the elements, the length included."""
    return 4 + 2 * len(shape)


def _elements(kind: str) -> list[tuple[str, str]]:
    return [("length", ">i4"), ("value", f">{kind}")]
