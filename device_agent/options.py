"""What the command line decides, checked."""

from dataclasses import dataclass, field
from pathlib import Path

from device_agent.agent import Pace
from device_agent.batteries.contract import OWNER, Control
from device_agent.connection import Patience
from device_agent.spool_file import MIN_MAX_BYTES
from fleet.commands.limits import refused_shares
from fleet.errors import InvalidInput

SPOOL_FILE = "spool.sqlite3"
FAULTS = {"inverter": "The inverter reports a fault: the battery can follow no command."}
"""What `--fault` can simulate, and the reason that commands then fail with."""


_LONGEST_S = 7 * 24 * 3600
"""No interval or time limit of an agent makes sense beyond a week."""


@dataclass(frozen=True)
class Options:
    """Options of `run` and `simulate`; durations in seconds.

    `connect_timeout_s` None: keep trying for ever. `wait_when_refused`: so even when the broker says no. `once`: one
    sample, send everything, end. `battery`: its driver, NAME or NAME:ADDRESS; empty: `device.json` says it, or it is
    the simulation. `owner` and `fault`: what a simulated battery is set to, and why it can follow no command.
    Raises `InvalidInput` for a combination that cannot work.
    """

    pace: Pace = field(default_factory=Pace)
    patience: Patience = field(default_factory=Patience)
    battery: str = ""
    battery_timeout_s: float = 3.0
    owner: Control = OWNER
    spool: Path | None = None
    spool_max_bytes: int = 256 * MIN_MAX_BYTES
    keep_acknowledged: int = 0
    drain_timeout_s: float = 10.0
    connect_timeout_s: float | None = None
    connects_per_s: float = 50.0
    report_interval_s: float = 60.0
    traces_url: str = ""
    once: bool = False
    wait_when_refused: bool = False
    fault: str = ""

    def __post_init__(self) -> None:
        positive = {
            "--sample-interval": self.pace.sample_interval_s,
            "--publish-interval": self.pace.publish_interval_s,
            "--live-interval": self.pace.live_interval_s,
            "--backlog-messages-per-s": self.pace.backlog_messages_per_s,
            "--connects-per-s": self.connects_per_s,
            "--report-interval": self.report_interval_s,
            "--drain-timeout": self.drain_timeout_s,
            "--battery-timeout": self.battery_timeout_s,
            "--reconnect-max": self.patience.reconnect_max_s,
            "--lost-after": self.pace.lost_after_s,
            "--acknowledgement-timeout": self.patience.acknowledgement_s,
            "--connect-timeout": 1 if self.connect_timeout_s is None else self.connect_timeout_s,
        }
        for name, value in positive.items():
            if not 0 < value <= _LONGEST_S:
                raise InvalidInput(f"{name} is {value}: it must be above 0 and at most {_LONGEST_S}.")
        if self.pace.lost_after_s < (least := self.pace.publish_interval_s + 60):
            raise InvalidInput(
                f"--lost-after is {self.pace.lost_after_s:g}: it must be a minute above --publish-interval, {least:g}."
            )
        if why := refused_shares(self.owner.backup_reserve_pct, None):
            raise InvalidInput(f"--reserve-pct cannot be kept. {why}")
        if not 1 <= self.pace.max_samples <= 1_000:
            raise InvalidInput(f"--max-samples is {self.pace.max_samples}: it must be 1 to 1000.")
        if self.spool_max_bytes < MIN_MAX_BYTES:
            raise InvalidInput(f"--spool-max-bytes is {self.spool_max_bytes}: it must be at least {MIN_MAX_BYTES}.")
        if not 30 <= self.patience.keep_alive_s <= 1200:
            raise InvalidInput(f"--keep-alive is {self.patience.keep_alive_s}: IoT Core takes 30 to 1200 seconds.")
