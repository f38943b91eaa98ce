"""Tasks of watching: a task run looks for one kind of alarm."""

from prefect import task
from prefect.events import emit_event

from fleet.adapters import postgres
from fleet.services import watching
from fleet.watching.judging import Judgement
from fleet.watching.kinds import KINDS
from fleet.watching.notices import Notice
from tasks.figures import tell
from tasks.jobs import settings_of
from tasks.policy import may_go_through_later

_MOST_RELATED = 50
"""Prefect takes 100 related resources an event, its own included."""


@task(
    task_run_name="look for {kind}",
    retries=1,
    retry_delay_seconds=5,
    retry_condition_fn=may_go_through_later,
    timeout_seconds=120,
)
def look_for(kind: str) -> int:
    """Look for one kind of alarm, and tell what is news as one event; returns how many stand."""
    settings = settings_of("watching")
    with postgres.connect(settings) as connection:
        world = watching.world_of(connection, settings)
        judged = watching.look(world, kind, lambda news, words: _tell(kind, news, words))
    return sum(alarm.told_at is not None for alarm in judged.standing)


def _tell(kind: str, news: Judgement, words: Notice) -> None:
    """The event that the alarm's automation waits for: one, however many it is about, the first of them related."""
    subjects = [alarm.subject for alarm in (*news.begun, *news.lasting, *news.ended)]
    emit_event(
        f"flip-fleet.alarm.{kind}",
        {"prefect.resource.id": f"flip-fleet.alarm.{kind}", "prefect.resource.name": KINDS[kind].one},
        related=[
            {"prefect.resource.id": f"flip-fleet.subject.{subject}", "prefect.resource.role": "subject"}
            for subject in subjects[:_MOST_RELATED]
        ],
        payload={
            "headline": words.headline,
            "text": words.text,
            "begun": len(news.begun),
            "lasting": len(news.lasting),
            "ended": len(news.ended),
        },
    )


@task(task_run_name="report")
def report_watching(standing: dict[str, int]) -> None:
    """Tell that somebody watched: where this stays out, an automation says that nobody does."""
    tell("fleet.watched", "fleet", standing)
