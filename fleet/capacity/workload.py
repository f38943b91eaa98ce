"""A fleet, as far as its cost depends on it, and the load that it makes."""

import math
from dataclasses import dataclass

from fleet.capacity.prices import PriceTable
from fleet.errors import InvalidInput
from fleet.telemetry.archive import DAYS_KEPT

MONTH_S = 730 * 3600.0
_DAY_S = 86_400.0
_MOST_DEVICES = 1_000_000_000
_LEAST_KEPT_DAYS = 2 / 24
"""The hour that runs, and the one before it (FLEET_LAKE_AFTER_HOURS=1)."""


@dataclass(frozen=True)
class Workload:
    """`devices` that take a sample each `sample_s` seconds and publish each `publish_s`; each `live_s` while they
    follow a command or somebody looks at them, `live_hours_per_month`.

    `basic_ingest`: straight into the rule, without the broker's fee. `keep_days`: raw samples stay so long in the
    database, then they are in the archive; below 2 by FLEET_LAKE_AFTER_HOURS, and the hour that runs.
    `commands_per_month`: to each device. Raises `InvalidInput`.
    """

    devices: int
    sample_s: float = 5.0
    publish_s: float = 60.0
    keep_days: float = DAYS_KEPT
    basic_ingest: bool = True
    commands_per_month: float = 30.0
    live_s: float = 5.0
    live_hours_per_month: float = 10.0

    def __post_init__(self) -> None:
        if not 1 <= self.devices <= _MOST_DEVICES:
            raise InvalidInput(f"A fleet of {self.devices:,} devices cannot be priced: use 1 to {_MOST_DEVICES:,}.")
        if not 0.01 <= self.sample_s <= _DAY_S:
            raise InvalidInput(f"A sample each {self.sample_s:g} s cannot be priced: use 10ms to 1d.")
        if not self.sample_s <= self.publish_s <= _DAY_S:
            raise InvalidInput(
                f"Publishing each {self.publish_s:g} s does not go with a sample each {self.sample_s:g} s: "
                "publish as often as you sample or less often, once a day at least."
            )
        if not 0.01 <= self.live_s <= _DAY_S:
            raise InvalidInput(f"Publishing live each {self.live_s:g} s cannot be priced: use 10ms to 1d.")
        if not 0 <= self.live_hours_per_month <= MONTH_S / 3600:
            hours = f"{self.live_hours_per_month:g}"
            raise InvalidInput(f"A battery cannot be live for {hours} hours a month: use 0 to {MONTH_S / 3600:g}.")
        if not _LEAST_KEPT_DAYS <= self.keep_days <= 3650:
            raise InvalidInput(f"Raw samples cannot be kept for {self.keep_days:g} days: use 2h to 3650d.")


@dataclass(frozen=True)
class Load:
    """What a workload makes of messages and samples."""

    samples_per_message: int
    message_bytes: float
    messages_per_s: float
    samples_per_s: float
    live_messages_per_s: float
    live_share: float

    @property
    def messages_per_month(self) -> float:
        """The live ones included."""
        return MONTH_S * (self.messages_per_s * (1 - self.live_share) + self.live_messages_per_s * self.live_share)

    @property
    def samples_per_month(self) -> float:
        return self.samples_per_s * MONTH_S


def load_of(workload: Workload, table: PriceTable) -> Load:
    """The load; a message's bytes are those that our agent's encoding has, with the topic.

    `live_messages_per_s`: while all are live at once, as in an event of the whole fleet. `live_share`: of the month.
    """
    samples = max(1, math.ceil(workload.publish_s / workload.sample_s - 1e-9))
    return Load(
        samples_per_message=samples,
        message_bytes=message_bytes(samples, table),
        messages_per_s=workload.devices / workload.publish_s,
        samples_per_s=workload.devices / workload.sample_s,
        live_messages_per_s=workload.devices / min(workload.live_s, workload.publish_s),
        live_share=workload.live_hours_per_month * 3600 / MONTH_S,
    )


def message_bytes(samples: int, table: PriceTable) -> float:
    """Bytes of a message of so many samples, as IoT Core meters it: payload and topic."""
    return table.measure("message_bytes") + samples * table.measure("message_bytes_per_sample")


def samples_in_a_block(table: PriceTable) -> int:
    """How many samples a message may have to be metered once; 0 if not even one."""
    room = table.quota("iot_metering_bytes") - table.measure("message_bytes")
    return max(0, int(room // table.measure("message_bytes_per_sample")))
