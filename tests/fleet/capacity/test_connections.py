"""What is held is counted, and what is left over decides how many requests are at work at once."""

from pathlib import Path

import pytest

from fleet.capacity.connections import CONTINUOUS, SPARE, at_once, held, needed


def test_the_smallest_pooler_has_room_for_everything() -> None:
    assert needed(ingestion_workers=1) <= 15
    assert at_once(8, 15, ingestion_workers=1) >= 2


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("places", [15, 20, 60, 1000])
def test_requests_take_what_is_left_and_never_more(places: int, workers: int) -> None:
    requests = at_once(8, places, workers)
    assert 1 <= requests <= 8
    if places >= needed(workers):
        assert held(workers) + requests + SPARE <= places


def test_each_worker_more_needs_what_ingestion_holds() -> None:
    ingestion = next(one for one in CONTINUOUS if one.flow == "ingest-telemetry")
    assert needed(3) - needed(1) == 2 * ingestion.held


def test_the_documented_table_is_this_one() -> None:
    text = Path("docs/supabase.md").read_text()
    for one in CONTINUOUS:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{one.flow}`"))
        assert row.endswith(f"| {one.held} | {one.most} | {one.what} |")
    assert f"({needed(1)}, and {needed(2) - needed(1)} more for each ingestion worker)" in text
