"""What of all that is wrong is news: told when it began, again while it lasts, and when it is over.

All of it is values; times are arguments, UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fleet.watching.kinds import Kind

SETTLED = timedelta(minutes=15)
"""What was well for so long is over: what comes and goes is one alarm, not one at every turn."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong now: what it is about (a thing's or a queue's name), and how, in a few words."""

    subject: str
    detail: str


@dataclass(frozen=True)
class Alarm:
    """Something that is wrong since then. `told_at` None: nobody was told yet."""

    subject: str
    detail: str
    since: datetime
    seen_at: datetime
    told_at: datetime | None = None


@dataclass(frozen=True)
class Judgement:
    """What stands now, and what of it people are to be told: each is empty where nothing is."""

    standing: tuple[Alarm, ...] = ()
    over: tuple[Alarm, ...] = ()
    begun: tuple[Alarm, ...] = ()
    lasting: tuple[Alarm, ...] = ()
    ended: tuple[Alarm, ...] = ()

    @property
    def is_news(self) -> bool:
        return bool(self.begun or self.lasting or self.ended)


def judge(
    kind: Kind,
    known: Mapping[str, Alarm],
    found: Sequence[Finding],
    now: datetime,
    repeat: timedelta,
    told_at: datetime | None = None,
) -> Judgement:
    """What becomes of the `known` alarms of a kind (by subject) when this was `found`.

    `standing` are to be kept and `over` forgotten; `begun`, `lasting` and `ended` go into one notice, which is due no
    sooner than the kind's `apart` after its last one, `told_at`. What lasts is told again after `repeat`.
    """
    seen = {one.subject: one for one in found}
    standing = [_seen(known.get(subject), one, now) for subject, one in seen.items()]
    absent = [alarm for subject, alarm in known.items() if subject not in seen]
    recovering = [alarm for alarm in absent if alarm.told_at and now - alarm.seen_at < SETTLED]
    never_told = tuple(alarm for alarm in absent if not alarm.told_at)
    ended = tuple(alarm for alarm in absent if alarm.told_at and now - alarm.seen_at >= SETTLED)
    if told_at and now - told_at < kind.apart:
        return Judgement((*standing, *recovering, *ended), over=never_told)
    begun = [alarm for alarm in standing if not alarm.told_at and now - alarm.since >= kind.patience]
    lasting = [alarm for alarm in standing if alarm.told_at and now - alarm.told_at >= repeat]
    told = {alarm.subject for alarm in (*begun, *lasting)}
    kept = [replace(alarm, told_at=now) if alarm.subject in told else alarm for alarm in standing]
    return Judgement((*kept, *recovering), (*never_told, *ended), tuple(begun), tuple(lasting), ended)


def _seen(known: Alarm | None, found: Finding, now: datetime) -> Alarm:
    if known is None:
        return Alarm(found.subject, found.detail, since=now, seen_at=now)
    return replace(known, detail=found.detail, seen_at=now)
