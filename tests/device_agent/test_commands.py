"""Commands on the device: each once, in order, whatever is repeated, lost or swapped on the way."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agent.commands import MAX_MESSAGE_BYTES, CommandStore, Rejected
from device_agent.spool import Spool
from device_agent.spool_file import SpoolFile


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CommandStore]:
    file = SpoolFile(tmp_path / "spool.sqlite3")
    yield CommandStore(Spool(file, "bat-1"))
    file.close()


def message(*sequences: int) -> bytes:
    return json.dumps({"schema": 1, "commands": [{"sequence": n, "mode": "BACKUP"} for n in sequences]}).encode()


def accepted(store: CommandStore, body: bytes) -> list[int]:
    outcome = store.accept(body, 0)
    assert not isinstance(outcome, Rejected), outcome
    return [command.sequence for command in outcome]


def test_new_commands_are_taken_in_order_and_old_ones_not_again(store) -> None:
    assert accepted(store, message(2, 1)) == [1, 2]
    assert accepted(store, message(1, 2)) == []
    assert accepted(store, message(2, 3, 3, 7)) == [3, 7]
    assert store.last_sequence == 7
    assert [command.sequence for command in store.kept()] == [1, 2, 3, 7]
    assert json.loads(store.kept()[0].payload) == {"sequence": 1, "mode": "BACKUP"}


@given(st.lists(st.lists(st.integers(1, 30), max_size=6), max_size=10))
def test_any_interleaving_ends_with_each_command_once_and_in_order(tmp_path_factory, batches) -> None:
    file = SpoolFile(tmp_path_factory.mktemp("commands") / "spool.sqlite3")
    store = CommandStore(Spool(file, "bat-1"))
    taken = [sequence for batch in batches for sequence in accepted(store, message(*batch))]
    assert taken == sorted(set(taken)) == [command.sequence for command in store.kept()]
    assert store.last_sequence == max((n for batch in batches for n in batch), default=0)
    file.close()


def test_they_survive_a_restart(tmp_path) -> None:
    for expected in ([1, 2], []):
        file = SpoolFile(tmp_path / "spool.sqlite3")
        store = CommandStore(Spool(file, "bat-1"))
        assert accepted(store, message(1, 2)) == expected
        file.commit()
        file.close()


@pytest.mark.parametrize(
    "noise",
    [b"", b"\x00", b"[]", b'{"commands": 3}', b'{"commands": [{}]}', b'{"commands": [{"sequence": 0}]}',
     b'{"commands": [{"sequence": 9223372036854775808}]}', b'{"commands": [{"sequence": "1"}]}', b"[" * 100_000,
     b" " * (MAX_MESSAGE_BYTES + 1)],
)  # fmt: skip
def test_noise_is_rejected_with_a_sentence_and_changes_nothing(store, noise) -> None:
    outcome = store.accept(noise, 0)
    assert isinstance(outcome, Rejected)
    assert "no list of commands" in outcome.reason
    assert store.last_sequence == 0
