"""Where the pieces of a batch go: a row each where they are new for sure, a row for each sample where they may not be.

A piece is new when nothing that is stored of its device was measured in its time. That its device is held meanwhile
keeps this true. Whatever is not new, or of a device that was never heard of, is compared sample by sample.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

from benchmarks.blocks.copy import BLOCK_COLUMNS, SAMPLE_COLUMNS, blocks, samples
from benchmarks.blocks.pieces import Column, Piece, pieces_of, value_at
from fleet.adapters.postgres import Connection
from fleet.telemetry.message import QueueMessage

_FOLDER = Path(__file__).parent


def make_tables(connection: Connection) -> None:
    """On top of the migrations; commits."""
    connection.execute((_FOLDER / "schema.sql").read_bytes())
    connection.commit()


class _Latest(NamedTuple):
    """How far a device is: its newest sample by arrival, and when the last of all was measured. Milliseconds, UTC."""

    received_ms: int
    sequence: int
    newest_ms: int | None


def store_samples(connection: Connection, messages: Sequence[QueueMessage], stored_at: datetime) -> tuple[int, int]:
    """Store the samples of `messages` and what is the latest of each device, in the caller's transaction.

    Returns how many samples there were, and how many of them were new. The same again is known.
    """
    parts = [(piece, message) for message in messages for piece in pieces_of(message)]
    pieces = [piece for piece, _ in parts]
    if not pieces:
        return 0, 0
    held = _hold(connection, {piece.thing_name for piece in pieces})
    new, doubtful = _told_apart(pieces, held)
    _copy(connection, "copy_blocks", blocks(new, stored_at))
    late, one_by_one = _told_from_stored(connection, doubtful, held)
    _copy(connection, "copy_blocks", blocks(late, stored_at))
    stored = sum(piece.samples for piece in new + late) + _store_one_by_one(connection, one_by_one, stored_at)
    _keep_latest(connection, parts, held, stored_at)
    return sum(piece.samples for piece in pieces), stored


def _hold(connection: Connection, things: set[str]) -> dict[str, _Latest]:
    rows = connection.execute(_statement("hold_latest"), {"thing_names": ",".join(things)}).fetchall()
    return {row.pop("thing_name"): _Latest(**row) for row in rows}


def _told_apart(pieces: Iterable[Piece], held: dict[str, _Latest]) -> tuple[list[Piece], list[Piece]]:
    """Those after all that was stored of their device, one after the other, and the others."""
    ends: dict[str, int | None] = {name: latest.newest_ms for name, latest in held.items()}
    new, doubtful = list[Piece](), list[Piece]()
    for piece in sorted(pieces, key=lambda piece: (piece.first_ms, piece.first_sequence)):
        end = ends.get(piece.thing_name)
        if end is None or piece.first_ms <= end:
            doubtful.append(piece)
        else:
            new.append(piece)
            ends[piece.thing_name] = piece.last_ms
    return new, doubtful


def _told_from_stored(
    connection: Connection, doubtful: Sequence[Piece], held: dict[str, _Latest]
) -> tuple[list[Piece], list[Piece]]:
    """Of those that may be stored already: whose time is free of any sample of their device, and the others."""
    asked = [piece for piece in doubtful if piece.thing_name in held]
    taken = {
        row["number"] - 1 for row in connection.execute(
            _statement("overlapping"),
            {
                "thing_names": [piece.thing_name for piece in asked],
                "firsts": [_time(piece.first_ms) for piece in asked],
                "lasts": [_time(piece.last_ms) for piece in asked],
            },
        )
    } if asked else set()  # fmt: skip
    one_by_one = [piece for piece in doubtful if piece.thing_name not in held]
    ends: defaultdict[str, int] = defaultdict(int)
    free = list[Piece]()
    for number, piece in enumerate(asked):
        if number in taken or piece.first_ms <= ends[piece.thing_name]:
            one_by_one.append(piece)
        else:
            free.append(piece)
            ends[piece.thing_name] = piece.last_ms
    return free, one_by_one


def _store_one_by_one(connection: Connection, pieces: Sequence[Piece], stored_at: datetime) -> int:
    if not pieces:
        return 0
    connection.execute(_statement("make_apart"))
    _copy(connection, "copy_apart", samples(pieces, stored_at))
    return connection.execute(_statement("merge_samples")).rowcount


def _keep_latest(
    connection: Connection, parts: Iterable[tuple[Piece, QueueMessage]], held: dict[str, _Latest], stored_at: datetime
) -> None:
    newest: dict[str, tuple[Piece, QueueMessage]] = {}
    ends: defaultdict[str, int] = defaultdict(int)
    for piece, message in parts:
        name = piece.thing_name
        ends[name] = max(ends[name], piece.last_ms)
        if name not in newest or _order(piece) > _order(newest[name][0]):
            newest[name] = piece, message
    fresh = {name: part for name, part in newest.items() if name not in held or _order(part[0]) > held[name][:2]}
    if fresh:
        connection.execute(_statement("make_newest"))
        _copy(connection, "copy_newest", samples([_last_of(piece) for piece, _ in fresh.values()], stored_at))
        said = {
            "thing_names": list(fresh),
            "boot_ids": [message.boot_id for _, message in fresh.values()],
            "acknowledged": [message.last_command_sequence for _, message in fresh.values()],
            "newest_ms": [ends[name] for name in fresh],
        }
        connection.execute(_statement("merge_latest"), said)
    later = [name for name in newest.keys() - fresh.keys() if ends[name] > (held[name].newest_ms or 0)]
    if later:
        connection.execute(
            _statement("move_newest"), {"thing_names": later, "newest_ms": [ends[name] for name in later]}
        )


def _order(piece: Piece) -> tuple[int, int]:
    return piece.received_ms, piece.last_sequence


def _last_of(piece: Piece) -> Piece:
    values = (value_at(column, piece.samples - 1) for column in piece.columns)
    columns: list[Column | None] = [None if value is None else (value, None) for value in values]
    only = piece._replace(first_sequence=piece.last_sequence, first_ms=piece.last_ms, samples=1, columns=columns)
    return only._replace(step_ms=0, jitter_ms=None)


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, tz=UTC)


def _copy(connection: Connection, statement: str, rows: bytes) -> None:
    with connection.cursor() as cursor, cursor.copy(_statement(statement)) as copy:
        copy.write(rows)


@cache
def _statement(name: str) -> bytes:
    """A statement with the column lists put in: they are constants, never input."""
    named = re.split(r"^-- name: (\w+)\n", (_FOLDER / "statements.sql").read_text(), flags=re.MULTILINE)[1:]
    statement = dict(zip(named[::2], named[1::2], strict=True))[name].format(
        block_columns=", ".join(BLOCK_COLUMNS),
        sample_columns=", ".join(SAMPLE_COLUMNS),
        excluded_columns=", ".join(f"excluded.{column}" for column in SAMPLE_COLUMNS),
    )
    return statement.encode()
