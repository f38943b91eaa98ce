"""People are told that something began, again while it lasts, and that it is over: once each."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fleet.watching.judging import SETTLED, Alarm, Finding, Judgement, judge
from fleet.watching.kinds import KINDS
from fleet.watching.notices import MOST_NAMED, Notice, notice

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
SILENT, STALE = KINDS["device-silent"], KINDS["queue-stale"]


class Watch:
    """Looks of one kind, one after another, as `watch-fleet` makes them."""

    def __init__(self, kind: str = "device-silent") -> None:
        self.kind = KINDS[kind]
        self.known: dict[str, Alarm] = {}
        self.told_at: datetime | None = None

    def look(self, at: datetime, *subjects: str) -> Judgement:
        found = [Finding(subject, "last heard long ago") for subject in subjects]
        judged = judge(self.kind, self.known, found, at, DAY, self.told_at)
        self.known = {alarm.subject: alarm for alarm in judged.standing}
        if judged.is_news:
            self.told_at = at
        return judged

    def notices(self, minutes: int, *subjects: str, start: datetime = NOON) -> int:
        return sum(self.look(start + n * 3 * MINUTE, *subjects).is_news for n in range(minutes // 3))


def names(alarms: tuple[Alarm, ...]) -> list[str]:
    return [alarm.subject for alarm in alarms]


def test_what_begins_is_told_once_and_again_after_the_interval() -> None:
    watch = Watch()
    assert names(watch.look(NOON, "b-1").begun) == ["b-1"]
    assert watch.notices(24 * 60 - 3, "b-1", start=NOON + 3 * MINUTE) == 0
    assert names(watch.look(NOON + DAY, "b-1").lasting) == ["b-1"]
    assert watch.known["b-1"].since == NOON


def test_the_end_is_told_once_it_has_settled_and_then_forgotten() -> None:
    watch = Watch()
    watch.look(NOON, "b-1", "b-2")
    assert not watch.look(NOON + 3 * MINUTE, "b-2").is_news
    judged = watch.look(NOON + SETTLED, "b-2")
    assert (names(judged.ended), names(judged.over), names(judged.standing)) == (["b-1"], ["b-1"], ["b-2"])
    assert not watch.look(NOON + SETTLED + 3 * MINUTE, "b-2").is_news


def test_what_comes_and_goes_is_one_alarm() -> None:
    watch = Watch()
    told = [watch.look(NOON + n * 3 * MINUTE, *(["b-1"] if n % 3 else [])).is_news for n in range(200)]
    assert sum(told) == 1


def test_what_passes_before_its_patience_is_told_to_nobody() -> None:
    watch = Watch("queue-stale")
    assert not watch.look(NOON, "webhooks").is_news
    assert not watch.look(NOON + 3 * MINUTE).is_news
    assert not watch.known
    assert not watch.look(NOON + 6 * MINUTE, "webhooks").is_news
    assert names(watch.look(NOON + 6 * MINUTE + STALE.patience, "webhooks").begun) == ["webhooks"]


def test_more_that_is_wrong_waits_for_the_next_notice_and_none_is_left_out() -> None:
    watch = Watch()
    assert watch.look(NOON, "b-1").is_news
    assert not watch.look(NOON + 3 * MINUTE, "b-1", "b-2").is_news
    assert names(watch.look(NOON + SILENT.apart, "b-1", "b-2", "b-3").begun) == ["b-2", "b-3"]


def test_an_outage_that_grows_all_day_is_at_most_four_notices_an_hour() -> None:
    watch, subjects, told = Watch(), list[str](), 0
    for n in range(20 * 24):
        subjects += [f"b-{n}-{each}" for each in range(10)]
        told += watch.look(NOON + n * 3 * MINUTE, *subjects).is_news
    assert told <= 4 * 24


def test_a_command_without_an_answer_waits_for_no_notice_before_it() -> None:
    watch = Watch("command-unanswered")
    assert watch.look(NOON, "c-1").is_news
    assert names(watch.look(NOON + 3 * MINUTE, "c-1", "c-2").begun) == ["c-2"]


def told(judged: Judgement) -> Notice:
    return notice(SILENT, judged, "https://app.example.com/")


def test_five_thousand_silent_batteries_are_one_notice_of_a_screen() -> None:
    words = told(Watch().look(NOON, *(f"b-{n}" for n in range(5_000))))
    assert words.headline == "5,000 batteries are silent"
    lines = words.text.splitlines()
    assert len(lines) < MOST_NAMED + 8
    assert "- b-0: last heard long ago" in lines and "- and 4,990 more" in lines
    assert lines[-1] == "https://app.example.com/fleet"


def test_a_notice_says_what_is_new_what_lasts_and_what_is_over() -> None:
    alarm = Alarm("b-1", "last heard long ago", NOON, NOON, NOON)
    new, lasting, over = (replace(alarm, subject=name) for name in ("new", "lasting", "over"))
    other = replace(alarm, subject="other")
    judged = Judgement((new, lasting, other), (over,), (replace(new, told_at=None),), (lasting,), (over,))
    words = told(judged)
    assert words.headline == "2 batteries are silent"
    assert "New (1):\n- new: last heard" in words.text and "Still so (1):\n- lasting:" in words.text
    assert "Over (1):\n- over (since 2026-11-26 12:00 UTC)" in words.text
    assert "Told before, and not over: 1" in words.text


def test_a_notice_of_an_end_asks_nobody_to_do_anything() -> None:
    alarm = Alarm("b-1", "last heard long ago", NOON, NOON, NOON)
    words = told(Judgement(over=(alarm,), ended=(alarm,)))
    assert words.headline == "Over: a battery is silent"
    assert SILENT.to_do not in words.text
