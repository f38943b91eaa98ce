"""What the one-shot demo came to: counted at its end, and whether anything was lost on the way."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli import tally
from cli.dispatch_story import Counted
from fleet.adapters import postgres
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.settings import Settings

_ARRIVAL_S = 90.0
_NO_COMMANDS = Counted(asked=0, sent=0, acknowledged=0, reported=0, ended=0)


def wait_for_arrival(settings: Settings, folders: Sequence[Path]) -> None:
    """Until what was published is stored, for a minute and a half at most."""
    deadline = time.monotonic() + _ARRIVAL_S
    while tally.stored(settings, folders) < tally.published(folders) and time.monotonic() < deadline:
        time.sleep(1)


def figures(settings: Settings, folders: Sequence[Path], commands: Counted | None) -> dict[str, Any]:
    """The figures of the last line; no commands where there was no event."""
    with postgres.connect(settings) as connection:
        provisioned = DeviceLedger(connection).count()
    count, commands = tally.take(settings, folders), commands or _NO_COMMANDS
    return {
        "devices_provisioned": provisioned,
        "samples_published": count.published,
        "samples_stored": count.stored,
        "lost": count.lost,
        "duplicated": count.duplicated,
        "quarantined": count.quarantined,
        "commands_asked": commands.asked,
        "commands_sent": commands.sent,
        "commands_acknowledged": commands.acknowledged,
        "commands_reported": commands.reported,
    }


def exit_code(figures: Mapping[str, Any]) -> int:
    """1 where a sample or a command was lost, or no command was asked for at all."""
    asked, *became = (figures[f"commands_{what}"] for what in ("asked", "sent", "acknowledged", "reported"))
    is_whole = asked and all(number == asked for number in became)
    return 1 if figures["lost"] or figures["duplicated"] or not is_whole else 0
