"""A judgement in words: however many are concerned, one notice of a screen's length."""

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.watching.judging import Alarm, Judgement
from fleet.watching.kinds import Kind

MOST_NAMED = 10
"""More are counted."""


@dataclass(frozen=True)
class Notice:
    """What people are told: a headline, and lines of text."""

    headline: str
    text: str


def notice(kind: Kind, judgement: Judgement, base_url: str) -> Notice:
    """What to tell of news; `base_url` is the web app's address."""
    now_wrong = (*judgement.begun, *judgement.lasting)
    is_over = not now_wrong
    headline = kind.headline(len(now_wrong or judgement.ended))
    still = sum(alarm.told_at is not None for alarm in judgement.standing) - len(judgement.begun)
    lines = [
        *_listed("New", judgement.begun),
        *_listed("Still so", judgement.lasting),
        *_listed("Over", judgement.ended, with_detail=False),
    ]
    if others := max(0, still - len(judgement.lasting)):
        lines.append(f"Told before, and not over: {others:,}")
    if not is_over:
        lines += ["", kind.to_do]
    if kind.page:
        lines.append(f"{base_url.rstrip('/')}/{kind.page}")
    return Notice(f"Over: {_small(headline)}" if is_over else headline, "\n".join(lines))


def _listed(what: str, alarms: Sequence[Alarm], with_detail: bool = True) -> list[str]:
    if not alarms:
        return []
    named = [_line(alarm, with_detail) for alarm in alarms[:MOST_NAMED]]
    more = [f"- and {len(alarms) - MOST_NAMED:,} more"] if len(alarms) > MOST_NAMED else []
    return [f"{what} ({len(alarms):,}):", *named, *more]


def _line(alarm: Alarm, with_detail: bool) -> str:
    since = f"since {alarm.since:%Y-%m-%d %H:%M} UTC"
    return f"- {alarm.subject}: {alarm.detail}" if with_detail else f"- {alarm.subject} ({since})"


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
