"""One document on stdout, or tables and sentences."""

import json
import sys
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from cli.output import Output, progress_elsewhere

AT = datetime(2026, 11, 23, 13, 0, tzinfo=timezone(timedelta(hours=1)))


def test_values_that_json_lacks_are_plain_and_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"at": AT, "day": AT.date(), "for": timedelta(minutes=2), "id": UUID(int=1), "body": b"\xffa", "none": None}
    Output(as_json=True).rows([row], empty="none")
    assert json.loads(capsys.readouterr().out) == [
        {
            "at": "2026-11-23T12:00:00Z",
            "day": "2026-11-23",
            "for": 120.0,
            "id": "00000000-0000-0000-0000-000000000001",
            "body": "\N{REPLACEMENT CHARACTER}a",
            "none": None,
        }
    ]


def test_keys_of_the_document_are_words_with_underscores(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).rows([{"waits for": "a reason"}], empty="none")
    assert json.loads(capsys.readouterr().out) == [{"waits_for": "a reason"}]


def test_progress_leaves_stdout_to_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(as_json=True)
    out.say("on the way")
    with progress_elsewhere(as_json=True):
        sys.stdout.write("printed by a part that knows nothing of it\n")
    out.result({"done": True}, "Done.")
    said = capsys.readouterr()
    assert json.loads(said.out) == {"done": True}
    assert said.err.splitlines() == ["on the way", "printed by a part that knows nothing of it"]


def test_a_person_reads_the_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output()
    out.say("on the way")
    out.rows([], empty="Nothing.")
    out.result({"done": True}, "Done.", "Well.")
    out.settings({"FLEET_X": "1", "FLEET_Y": "2"})
    assert capsys.readouterr().out.splitlines() == [
        "on the way",
        "Nothing.",
        "Done.",
        "Well.",
        "FLEET_X=1",
        "FLEET_Y=2",
    ]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_long_list_is_a_list_while_it_is_written(capsys: pytest.CaptureFixture[str], count: int) -> None:
    Output(as_json=True).stream({"n": number, "at": datetime(2026, 1, 1, tzinfo=UTC)} for number in range(count))
    assert [row["n"] for row in json.loads(capsys.readouterr().out)] == list(range(count))
