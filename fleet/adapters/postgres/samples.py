"""Where the samples of a batch go: each is stored once, however it comes, and most of them as they came.

What was measured after all that is stored of its battery is new. What was not is looked for in what is stored of its
time; what overlaps that is compared sample by sample. Nobody else stores anything of these batteries meanwhile.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from fleet.adapters.postgres import Connection, queries, run
from fleet.adapters.postgres.copy_chunks import CHUNK_COLUMNS, LATEST_COLUMNS, ChunkRows, Origins, latest_rows
from fleet.adapters.postgres.copy_format import copy_rows, microseconds
from fleet.telemetry.archive import STORED_COLUMNS
from fleet.telemetry.chunks import EVER_MS, NUMBERS, Chunk, Samples, chunks_of, moment, samples_of
from fleet.telemetry.message import QueueMessage


class Latest(NamedTuple):
    """How far a battery is: its newest sample by arrival, and when the last of all was measured. Milliseconds, UTC."""

    received_ms: int
    sequence: int
    newest_ms: int


class Prepared:
    """Samples of some messages as they will be written: what can be done before the database is asked anything."""

    def __init__(self, messages: Sequence[QueueMessage], samples: Samples | None = None) -> None:
        self.messages = messages
        self.chunks = chunks_of(samples_of(messages) if samples is None else samples)
        self.ordered = self.chunks.in_order()
        self.origins = Origins.of(messages)
        self.rows = ChunkRows(self.chunks, self.ordered, self.origins)


def store_samples(
    connection: Connection,
    messages: Sequence[QueueMessage],
    stored_at: datetime,
    prepared: Prepared | None = None,
) -> tuple[int, int]:
    """Store the samples of `messages` and what is the latest of each battery, in the caller's transaction.

    Returns how many samples there were, and how many of them were new. The same again is known. `prepared` is used
    where it is of these very messages.
    """
    if prepared is None or prepared.messages != messages:
        prepared = Prepared(messages)
    sent = len(prepared.chunks.of.sequence)
    if not sent:
        return 0, 0
    batch = _Batch(connection, prepared, stored_at)
    new, doubtful = batch.told_apart()
    stored = batch.copy(new)
    free, overlapping = batch.told_from_stored(doubtful)
    stored += batch.copy(free)
    if left := batch.not_stored(overlapping):
        stored += batch.copy_all(left)
    batch.keep_latest()
    return sent, stored


class _Batch:
    """Messages on their way into the tables, and how far the batteries were before."""

    def __init__(self, connection: Connection, prepared: Prepared, stored_at: datetime) -> None:
        self._connection, self._prepared = connection, prepared
        self._messages, self._chunks, self._ordered = prepared.messages, prepared.chunks, prepared.ordered
        self._stored_us = microseconds(stored_at)
        self._names, self._received = prepared.origins.thing_names, prepared.origins.received_ms.tolist()
        self._held = hold(connection, {message.thing_name for message in self._messages if message.sample_count})

    def told_apart(self) -> tuple[list[Chunk], list[Chunk]]:
        """Those after all that was stored of their battery, one after the other, and the others."""
        ends = {name: latest.newest_ms for name, latest in self._held.items()}
        new, doubtful = list[Chunk](), list[Chunk]()
        for chunk in self._ordered:
            name = self._names[chunk.message]
            if chunk.first_ms > ends.get(name, EVER_MS):  # of one that was never heard of nothing is known to be new
                new.append(chunk)
                ends[name] = chunk.last_ms
            else:
                doubtful.append(chunk)
        return new, doubtful

    def told_from_stored(self, doubtful: Sequence[Chunk]) -> tuple[list[Chunk], list[Chunk]]:
        """Those whose time is free of any sample of their battery, one after the other, and the others."""
        taken = {row["number"] - 1 for row in self._ask("overlapping", doubtful)} if doubtful else set()
        ends: defaultdict[str, int] = defaultdict(lambda: -1)  # 1970 begins at 0
        free, overlapping = list[Chunk](), list[Chunk]()
        for number, chunk in enumerate(doubtful):
            name = self._names[chunk.message]
            if number in taken or chunk.first_ms <= ends[name]:
                overlapping.append(chunk)
            else:
                free.append(chunk)
                ends[name] = chunk.last_ms
        return free, overlapping

    def not_stored(self, overlapping: Sequence[Chunk]) -> list[int]:
        """The numbers of the samples of these that are neither in the tables nor in the archive, each once."""
        if not overlapping:
            return []
        rows = self._ask("stored", overlapping)
        known = {(row["thing_name"], row["measured_ms"], row["sequence"]) for row in rows}
        archived = defaultdict[str, list[Any]](list)
        for row in self._ask("archived", overlapping):
            archived[row["thing_name"]].append(row)
        left, samples = [], self._chunks.of
        for chunk in overlapping:
            name, first = self._names[chunk.message], int(self._chunks.starts[chunk.number])
            for number in range(first, first + chunk.samples):
                named = name, int(samples.measured_ms[number]), int(samples.sequence[number])
                if named not in known and not any(_is_in(each, *named[1:]) for each in archived[name]):
                    known.add(named)
                    left.append(number)
        return left

    def copy(self, chosen: Sequence[Chunk]) -> int:
        """Write these; returns how many samples they have."""
        if chosen:
            write_chunks(self._connection, self._prepared.rows.those(chosen, self._stored_us))
        return sum(chunk.samples for chunk in chosen)

    def copy_all(self, numbers: Sequence[int]) -> int:
        """Write the samples of these numbers; returns how many they are."""
        left = Prepared(self._messages, self._chunks.of.these(numbers))
        write_chunks(self._connection, left.rows.all(self._stored_us))
        return len(numbers)

    def keep_latest(self) -> None:
        """What each battery sent last is its latest, whatever its clock says, and how far its times reach."""
        newest: dict[str, Chunk] = {}
        ends: defaultdict[str, int] = defaultdict(int)
        for chunk in self._ordered:
            name = self._names[chunk.message]
            if chunk.last_ms > ends[name]:
                ends[name] = chunk.last_ms
            if name not in newest or self._order(chunk) > self._order(newest[name]):
                newest[name] = chunk
        fresh = {
            name: chunk
            for name, chunk in newest.items()
            if name not in self._held or self._order(chunk) > self._held[name][:2]
        }
        if fresh:
            self._connection.execute(_statement("make_newest"))
            newest_ms = [ends[name] for name in fresh]
            rows = latest_rows(self._chunks, list(fresh.values()), newest_ms, self._messages, self._stored_us)
            copy_rows(self._connection, _statement("copy_newest"), rows)
            self._connection.execute(_statement("merge_latest"))
        later = [name for name in newest.keys() - fresh.keys() if ends[name] > self._held[name].newest_ms]
        if later:
            ends_of = [moment(ends[name]) for name in later]
            run(self._connection, "samples.move_newest", thing_names=later, newest=ends_of)

    def _order(self, chunk: Chunk) -> tuple[int, int]:
        return self._received[chunk.message], chunk.last_sequence

    def _ask(self, query: str, chunks: Iterable[Chunk]) -> Any:
        """Of the times of these chunks, in their order."""
        times = [(self._names[one.message], moment(one.first_ms), moment(one.last_ms)) for one in chunks]
        names, firsts, lasts = map(list, zip(*times, strict=True))
        return run(self._connection, f"samples.{query}", thing_names=names, firsts=firsts, lasts=lasts)


def hold(connection: Connection, things: set[str]) -> dict[str, Latest]:
    """How far these are, held until the transaction ends. One without a latest sample is held by its name: before all
    that have one, so that two who hold many never wait for each other in a circle."""
    named = {
        "thing_names": ",".join(things)
    }  # a text with commas: a list costs four times as much, and no name has one
    run(connection, "samples.hold_unheard", **named)
    rows = run(connection, "samples.hold_latest", **named).fetchall()
    return {row.pop("thing_name"): Latest(**row) for row in rows}


def write_chunks(connection: Connection, rows: bytes) -> None:
    """Rows of `ChunkRows`; whoever writes holds their batteries, and knows that no sample of them is stored."""
    copy_rows(connection, _statement("copy_chunks"), rows)


def _is_in(run_of_samples: Mapping[str, Any], measured_ms: int, sequence: int) -> bool:
    """Whether a run of samples that is in the archive has this one: where its sequence belongs in time."""
    after = sequence - run_of_samples["first_sequence"]
    steps = run_of_samples["last_sequence"] - run_of_samples["first_sequence"]
    first_ms, length_ms = run_of_samples["first_ms"], run_of_samples["last_ms"] - run_of_samples["first_ms"]
    belongs_ms = first_ms + length_ms * after / max(steps, 1)
    return bool(0 <= after <= steps and abs(measured_ms - belongs_ms) <= run_of_samples["jitter_ms"] + 1)


@cache
def _statement(name: str) -> bytes:
    """A statement with the column lists put in: they are constants, never input."""
    kept = (*STORED_COLUMNS, "boot_id", "last_command_sequence", "newest_measured_at")
    lists = {
        "chunk_columns": CHUNK_COLUMNS,
        "latest_columns": LATEST_COLUMNS,
        "kept_columns": kept,
        "read_columns": [f"nullif({column}, 'NaN')" if column in NUMBERS else column for column in kept],
        "excluded_columns": [
            "greatest(latest.newest_measured_at, excluded.newest_measured_at)"
            if column == "newest_measured_at" else f"excluded.{column}" for column in kept
        ],
    }  # fmt: skip
    return queries("samples")[name].format(**{key: ", ".join(columns) for key, columns in lists.items()}).encode()
