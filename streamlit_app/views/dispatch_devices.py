"""A dispatch's batteries as a table, and what happened to one of them step by step."""

import streamlit as st

from fleet.commands.energies import share_pct
from streamlit_app import visit, words
from streamlit_app.services import dispatches
from streamlit_app.services.accounts import Account
from streamlit_app.services.dispatches import DeviceReport
from streamlit_app.spreadsheets import Table, show_table

_STANDINGS = {"in_time": "in time", "late": "late", "waiting": "not yet", "overdue": "not yet, late"}

_READINGS = {
    "not_asked": "not asked yet", "complete": "complete", "on_its_way": "on their way", "late": "late",
    "incomplete": "some missing", "not_reported": "not reported", "archived": "in the archive",
}  # fmt: skip


def show_devices(devices: list[DeviceReport]) -> None:
    """One row a battery."""
    table: Table = {
        "Battery": [one.thing_name for one in devices],
        "State": [one.state for one in devices],
        "Flip's word": [one.flip_status for one in devices],
        "Reason": [one.reason for one in devices],
        "Told to Flip": [_told(one) for one in devices],
        "Asked at first (Wh)": [_rounded(one.asked_first_energy_wh) for one in devices],
        "Asked (Wh)": [_rounded(one.asked_energy_wh) for one in devices],
        "Asked while measured (Wh)": [_rounded(one.asked_while_measured_wh) for one in devices],
        "Delivered (Wh)": [_rounded(one.measured_energy_wh) for one in devices],
        "Share (%)": [_rounded(share_pct(one.asked_while_measured_wh, one.measured_energy_wh)) for one in devices],
        "Readings": [_READINGS.get(one.data_standing, one.data_standing) for one in devices],
        "Charged (Wh)": [_rounded(one.charged_energy_wh) for one in devices],
        "Discharged (Wh)": [_rounded(one.discharged_energy_wh) for one in devices],
        "Samples": [one.samples for one in devices],
        "Gaps": [one.gap_count for one in devices],
        "Gaps (s)": [_rounded(one.gap_total_s) for one in devices],
        "Clock skew (s)": [_rounded(one.clock_skew_s) for one in devices],
    }
    skew = st.column_config.Column(
        help="The smallest received less measured: above 0 its clock is slow, or it was late."
    )
    show_table(table, "dispatch_table", f"{len(devices)} batteries", column_config={"Clock skew (s)": skew})


def show_life(account: Account, devices: list[DeviceReport]) -> None:
    """What happened to one battery's command, and where its readings are missing."""
    with st.expander("One battery, step by step", key="dispatch_life"):
        labels = {one.command_id: one.thing_name for one in devices}
        chosen = st.selectbox("Battery", list(labels), format_func=lambda name: labels[name], key="dispatch_battery")
        with visit.told():
            now = visit.now()
            for step in dispatches.life(account, chosen):
                moment = step.at.astimezone(now.tzinfo)
                st.markdown(f"{words.plain(f'{moment:%H:%M:%S}')} **{step.to_state}**: {words.plain(step.cause)}")
            gaps = next(one.gaps for one in devices if one.command_id == chosen) or ()
            for gap in gaps:
                seconds = (gap.ends_at - gap.starts_at).total_seconds()
                st.caption(
                    words.plain(f"No readings for {words.duration(seconds)} from {words.at(gap.starts_at, now)}.")
                )


def _told(device: DeviceReport) -> str:
    standing = _STANDINGS.get(device.report_standing, device.report_standing)
    failure = f": {device.report_failure}" if device.report_failure else ""
    return f"{device.reported or ''} {standing}{failure}".strip()


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 1)
