"""Whose word the agent follows, and what it keeps of that."""

import logging
from pathlib import Path

import pytest

from device_agent.authority import Authority
from fleet.commands.message import Clock, CommandMessage, Rejected, encode
from fleet.commands.signing import Signer, new_private_key
from tests.command_examples import SIGNER

MESSAGE = CommandMessage("battery-1", [], Clock())


@pytest.fixture
def following() -> Signer:
    key = new_private_key()
    return Signer(key, SIGNER.name_successor(Signer(key).public_key))


def authority(file: Path) -> Authority:
    return Authority("battery-1", file, SIGNER.public_key)


def test_a_signed_message_for_this_device_is_read(folder: Path) -> None:
    mine = authority(folder / "command-key.pem")
    assert mine.read(SIGNER.sign(encode(MESSAGE))) == MESSAGE
    assert mine.refused == 0 and not (folder / "command-key.pem").exists()


def test_what_was_signed_for_another_device_is_not(folder: Path, following: Signer) -> None:
    mine = authority(folder / "command-key.pem")
    for_another = encode(CommandMessage("battery-2", [], Clock()))
    for body in (SIGNER.sign(for_another), following.sign(for_another), encode(MESSAGE)):
        assert isinstance(mine.read(body), Rejected)
    assert mine.refused == 3 and not (folder / "command-key.pem").exists()


def test_a_signed_message_that_cannot_be_read_is_rejected_and_no_forgery(folder: Path) -> None:
    mine = authority(folder / "command-key.pem")
    assert isinstance(mine.read(SIGNER.sign(b"noise")), Rejected)
    assert mine.refused == 0


def test_the_key_that_follows_is_taken_up_and_kept(folder: Path, following: Signer) -> None:
    file = folder / "command-key.pem"
    mine = authority(file)
    assert mine.read(following.sign(encode(MESSAGE))) == MESSAGE
    assert file.read_bytes() == following.public_key.pem
    assert isinstance(mine.read(SIGNER.sign(encode(MESSAGE))), Rejected), "never back"


def test_a_folder_that_cannot_be_written_still_follows(
    folder: Path, following: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    mine = authority(folder / "missing" / "command-key.pem")
    with caplog.at_level(logging.WARNING):
        assert mine.read(following.sign(encode(MESSAGE))) == MESSAGE
        assert mine.read(following.sign(encode(MESSAGE))) == MESSAGE
    assert caplog.text.count("cannot be written") == 1
