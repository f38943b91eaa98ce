"""What operators see of dispatches: commands of one start, end and mode, to many batteries. W, Wh, s; times UTC."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import msgspec

from fleet.commands.energies import Energies, sum_up
from streamlit_app.services.accounts import Account
from streamlit_app.services.rows import call, call_rows, read_one

POINTS = 400
"""Buckets of the chart, of the 2,000 that the database would give."""


class Gap(msgspec.Struct, frozen=True):
    """A time without a sample."""

    starts_at: datetime
    ends_at: datetime


class Dispatch(msgspec.Struct, frozen=True, kw_only=True):
    """A dispatch with how many batteries were asked, got it ever, are or ended where, and of how many Flip was told."""

    starts_at: datetime
    ends_at: datetime | None = None
    mode: str
    devices: int = 0
    delivered: int = 0
    acknowledged: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    canceled: int = 0
    opted_out: int = 0
    superseded: int = 0
    expired: int = 0
    reported: int = 0
    reported_late: int = 0
    total_count: int = 0


@dataclass(frozen=True)
class DispatchKey:
    """What makes commands one dispatch."""

    starts_at: datetime
    ends_at: datetime | None
    mode: str

    @property
    def arguments(self) -> dict[str, str | None]:
        ends_at = self.ends_at.isoformat() if self.ends_at else None
        return {"p_starts_at": self.starts_at.isoformat(), "p_ends_at": ends_at, "p_mode": self.mode}


class DeviceReport(msgspec.Struct, frozen=True, kw_only=True):
    """A battery's part in a dispatch. Energies and samples are None before it began; energies also when not measured.

    `asked_first_energy_wh` is what Flip asked for at first; `asked_energy_wh` as it was changed, up to `window_end`;
    `asked_while_measured_wh` and `measured_energy_wh`, in the mode's direction, are over the same time: `measured_s` of
    `asked_s`. Readings are known up to `known_until`; `data_standing` is that of `fleet.commands.energies`.
    `clock_skew_s`: the smallest received less measured.
    `report_standing`: in_time, late, waiting or overdue; `reported` is what Flip was told of the current revision,
    `report_failure` why it does not take it, once that was given up.
    """

    thing_name: str
    command_id: str
    state: str
    reason: str = ""
    flip_status: str = "OK"
    power_mode: str | None = None
    setpoint_w: float | None = None
    backup_reserve_pct: float | None = None
    revision: int = 1
    received_at: datetime | None = None
    delivered_at: datetime | None = None
    acknowledged_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reported: str | None = None
    reported_at: datetime | None = None
    report_standing: str = "waiting"
    report_failure: str = ""
    window_end: datetime | None = None
    known_until: datetime | None = None
    data_standing: str = "not_asked"
    asked_s: float | None = None
    measured_s: float | None = None
    asked_first_energy_wh: float | None = None
    asked_energy_wh: float | None = None
    asked_while_measured_wh: float | None = None
    measured_energy_wh: float | None = None
    charged_energy_wh: float | None = None
    discharged_energy_wh: float | None = None
    samples: int | None = None
    clock_skew_s: float | None = None
    gap_count: int | None = None
    gap_total_s: float | None = None
    gaps: list[Gap] | None = None


class PowerBucket(msgspec.Struct, frozen=True, kw_only=True):
    """The power of all batteries together; `devices` had a reading in this bucket. None: none had that one."""

    bucket_start: datetime
    devices: int
    charge_power_w: float | None = None
    discharge_power_w: float | None = None


class AskedPower(msgspec.Struct, frozen=True, kw_only=True):
    """What all batteries together were asked for, from a moment until the next."""

    at: datetime
    power_w: float


class FleetPower(msgspec.Struct, frozen=True, kw_only=True):
    """The course over a dispatch and a little around it; `window_end` is as far as it has come.

    `asked` has each change of what was asked, also those ahead; the last one is its end.
    """

    bucket_s: float
    window_end: datetime
    buckets: list[PowerBucket] = []
    asked: list[AskedPower] = []


class WebhookRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of webhooks of the last 7 days; a refused one's outcome begins with `refused`."""

    outcome: str
    webhooks: int = 0
    newest_at: datetime | None = None
    newest_detail: str | None = None


class LifeStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a command's life."""

    revision: int
    to_state: str
    at: datetime
    cause: str
    from_state: str | None = None


@dataclass(frozen=True)
class Summary:
    """A dispatch in figures."""

    devices: int
    delivered: int
    acknowledged: int
    states: dict[str, int]
    canceled: int
    opted_out: int
    reported_ok: int
    reported_failed: int
    reported_late: int
    energies: Energies
    devices_with_gaps: int
    failures: dict[str, int]


def overview(account: Account, limit: int, offset: int) -> list[Dispatch]:
    """A page of the dispatches, the latest first; each row counts all. Raises `Refused` for who is no operator."""
    return call_rows(account.client, "dispatch_overview", {"p_limit": limit, "p_offset": offset}, Dispatch)


def report(account: Account, key: DispatchKey, gap_s: int) -> list[DeviceReport]:
    """Each battery of a dispatch by name; gaps are above `gap_s`, 1 to 3600. Raises `NotFound`, `Refused`."""
    return call_rows(account.client, "dispatch_report", {**key.arguments, "p_gap_s": gap_s}, DeviceReport)


def power(account: Account, key: DispatchKey) -> FleetPower:
    """The power of its batteries together, in at most `POINTS` buckets."""
    answer = call(account.client, "dispatch_power", {**key.arguments, "p_points": POINTS})
    return read_one("dispatch_power", answer, FleetPower)


def life(account: Account, command_id: str) -> list[LifeStep]:
    """What happened to a command, oldest first."""
    return call_rows(account.client, "command_life", {"p_command_id": command_id}, LifeStep)


def webhooks(account: Account) -> list[WebhookRow]:
    """What became of Flip's webhooks in the last 7 days."""
    return call_rows(account.client, "webhook_overview", {}, WebhookRow)


def summary(devices: list[DeviceReport]) -> Summary:
    """The figures of a dispatch."""
    told = Counter(one.reported for one in devices if one.reported)
    return Summary(
        devices=len(devices),
        delivered=sum(one.delivered_at is not None for one in devices),
        acknowledged=sum(one.acknowledged_at is not None for one in devices),
        states=dict(Counter(one.state for one in devices)),
        canceled=sum(one.flip_status == "CANCELED" for one in devices),
        opted_out=sum(one.flip_status == "OPT_OUT" for one in devices),
        reported_ok=told["OK"],
        reported_failed=told.total() - told["OK"],
        reported_late=sum(one.report_standing in ("late", "overdue") for one in devices),
        energies=sum_up(devices),
        devices_with_gaps=sum(bool(one.gap_count) for one in devices),
        failures=dict(
            Counter(one.reason or "no reason given" for one in devices if one.state == "failed").most_common()
        ),
    )
