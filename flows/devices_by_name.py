"""Something done to devices that are named, each by itself: who cannot be helped holds up no other."""

from collections.abc import Iterable
from typing import Any

from prefect import Task

from fleet.capacity.connections import at_once
from fleet.errors import InvalidInput
from fleet.settings import Settings
from flows.ending import ended
from flows.runners import threads

_AT_ONCE, _NAMED = 8, 10


def for_each(task: Task[..., str], names: Iterable[str], settings: Settings) -> dict[str, str | BaseException]:
    """What the task says of each device, or the error that it ended with; each name once, in order."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        raise InvalidInput("Name at least one device.")
    with threads(at_once(_AT_ONCE, settings.database_connections, settings.ingestion_workers)) as runner:
        futures = {name: runner.submit(task, {"thing_name": name}) for name in wanted}
        return {name: future.result(raise_on_failure=False) for name, future in futures.items()}


def summed_up(results: dict[str, str | BaseException], what: str) -> Any:
    """The state of the run: how many, what became of them, who failed and why."""
    failed = {name: error for name, error in results.items() if isinstance(error, BaseException)}
    sentence = f"{len(results) - len(failed)} of {len(results)} {what}"
    if failed:
        return ended(sentence, [_listed(failed)])
    return ended(f"{sentence}. {_listed(results)}", [], results)


def _listed(results: dict[str, Any]) -> str:
    listed = "; ".join(f"{name}: {said}" for name, said in list(results.items())[:_NAMED])
    return listed if len(results) <= _NAMED else f"{listed}; and {len(results) - _NAMED} more"
