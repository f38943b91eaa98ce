"""A dispatch as CSV: the proof for the program. UTC, units in the columns' names, one row a battery."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime

from fleet.commands.energies import share_pct
from streamlit_app.services.dispatches import DeviceReport, DispatchKey
from streamlit_app.spreadsheets import spreadsheet_text


def dispatch_csv(key: DispatchKey, gap_s: int, devices: Sequence[DeviceReport]) -> bytes:
    """The whole of it, RFC 4180 in UTF-8. A text that a spreadsheet would take for a formula gets a quote before it."""
    text = io.StringIO()
    rows = [_row(key, gap_s, device) for device in devices]
    names = list(rows[0] if rows else {"battery": ""})
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([_cell(row[name]) for name in names] for row in rows)
    return text.getvalue().encode()


def _row(key: DispatchKey, gap_s: int, device: DeviceReport) -> dict[str, object]:
    return {
        "battery": device.thing_name,
        "command_id": device.command_id,
        "starts_at_utc": key.starts_at,
        "ends_at_utc": key.ends_at,
        "asked_until_utc": device.window_end,
        "known_until_utc": device.known_until,
        "readings": device.data_standing,
        "mode": key.mode,
        "power_mode": device.power_mode,
        "setpoint_w": device.setpoint_w,
        "backup_reserve_pct": device.backup_reserve_pct,
        "flip_status": device.flip_status,
        "state": device.state,
        "reason": device.reason,
        "revision": device.revision,
        "received_at_utc": device.received_at,
        "delivered_at_utc": device.delivered_at,
        "acknowledged_at_utc": device.acknowledged_at,
        "started_at_utc": device.started_at,
        "finished_at_utc": device.finished_at,
        "reported_to_flip": device.reported,
        "reported_at_utc": device.reported_at,
        "report_standing": device.report_standing,
        "report_failure": device.report_failure,
        "asked_s": device.asked_s,
        "measured_s": device.measured_s,
        "asked_first_energy_wh": device.asked_first_energy_wh,
        "asked_energy_wh": device.asked_energy_wh,
        "asked_while_measured_wh": device.asked_while_measured_wh,
        "measured_energy_wh": device.measured_energy_wh,
        "delivered_share_pct": share_pct(device.asked_while_measured_wh, device.measured_energy_wh),
        "charged_energy_wh": device.charged_energy_wh,
        "discharged_energy_wh": device.discharged_energy_wh,
        "samples": device.samples,
        "clock_skew_s": device.clock_skew_s,
        f"gaps_above_{gap_s}_s": device.gap_count,
        "gaps_total_s": device.gap_total_s,
        "gaps_utc": "; ".join(f"{_cell(gap.starts_at)}/{_cell(gap.ends_at)}" for gap in device.gaps or ()),
    }


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, str):
        return spreadsheet_text(value)
    return "" if value is None else str(value)
