"""Events and their commands: made, started, ended, canceled, opted out of, acknowledged."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from fastapi import HTTPException

from local_cloud.flip.bodies import DeviceSettingBody, EventPatch, NewEvent
from local_cloud.flip.catalog import GRID_RESERVE, RUNNING
from local_cloud.flip.clock import Clock, as_text, as_time
from local_cloud.flip.refusals import FieldsRefused, unknown
from local_cloud.flip.shapes import public
from local_cloud.flip.state import Document, State
from local_cloud.flip.webhooks import Outbox

ANSWER_WITHIN = timedelta(minutes=15)


class Control:
    """Flip's side of a dispatch. A command waits for an answer from `_pending_since` on."""

    def __init__(self, state: State, clock: Clock, outbox: Outbox) -> None:
        self._state, self._clock, self._outbox = state, clock, outbox

    def create(self, new: NewEvent) -> dict[str, list[str]]:
        """One event a site and one command a device. 404 for an unknown device, 422 when there is none at all."""
        new = new.model_copy(update={"starts_at": self._starts_at(new)})  # the same moment for every site
        if self._starts_at(new) + timedelta(seconds=new.duration_s) <= self._clock.now():
            raise FieldsRefused(("starts_at", "the event would be over already"))
        devices = self._devices(new.device_ids)
        sites = dict.fromkeys(device["site_id"] for device in devices)
        made: dict[str, list[str]] = {"event_ids": [], "command_ids": []}
        for site_id in sites:
            mine = [device["id"] for device in devices if device["site_id"] == site_id]
            event = self._event(new, site_id, mine)
            made["event_ids"].append(event["id"])
            made["command_ids"] += [self._command(new, event, device_id) for device_id in mine]
        return made

    def cancel(self, event_id: str) -> None:
        """The utility takes the event back: 404, or 409 when it is over."""
        event = self._changeable(event_id)
        canceled = {**event, "_is_canceled": True, "updated_at": self._clock.text()}
        self._state.put("event", canceled, event["site_id"])
        self._outbox.post("event.canceled", self.shown(canceled))
        for command in self._commands_of(event_id):
            self._reopen(command, "command.canceled", status="CANCELED")

    def shown(self, event: Document) -> Document:
        """The event as Flip shows it, with its status at this moment."""
        now, starts_at, ends_at = self._clock.now(), as_time(event["starts_at"]), as_time(event["ends_at"])
        running = "UPCOMING" if now < starts_at else "ACTIVE" if now < ends_at else "COMPLETED"
        return {**public(event), "status": "CANCELED" if event["_is_canceled"] else running}

    def change(self, site_id: str, event_id: str, patch: EventPatch) -> Document:
        """The homeowner's say: takes part or not, and keeps how much. 404, 409 when over, 422 for a foreign device."""
        event = self._changeable(event_id, site_id)
        settings = {setting.device_id: setting for setting in patch.device_settings or []}
        mine = {one for item in event["schedule"] for one in item["device_ids"]}
        if foreign := sorted(set(settings) - mine):
            raise FieldsRefused(("device_settings", f"{foreign[0]} is no device of this event"))
        takes_part = event["is_participating"] if patch.is_participating is None else patch.is_participating
        changed = {**event, "is_participating": takes_part, "updated_at": self._clock.text()}
        if patch.device_settings is not None:
            changed["device_settings"] = [setting.model_dump() for setting in patch.device_settings]
        self._state.put("event", changed, site_id)
        self._outbox.post("event.updated", self.shown(changed))
        for command in self._commands_of(event_id):
            self._apply(command, "OK" if takes_part else "OPT_OUT", settings.get(command["device_id"]))
        return self.shown(changed)

    def acknowledge(self, command_id: str, device_status: str, reason: str | None = None) -> Document:
        """Note the device's answer, late ones too: Flip has counted those failed by then."""
        command = self._state.get("command", command_id)
        if command is None:
            raise unknown("command", command_id)
        now = self._clock.now()
        note = {
            "command_id": command_id, "device_id": command["device_id"], "device_status": device_status,
            "device_status_reason": reason, "at": as_text(now),
            "is_late": now > as_time(command["_pending_since"]) + ANSWER_WITHIN,
        }  # fmt: skip
        self._state.receive("acknowledgement", [(command_id, note)], as_text(now))
        answered = {
            **command, "device_status": device_status, "device_status_reason": reason, "updated_at": as_text(now)
        }  # fmt: skip
        answered["_was_answered_in_time"] = command["_was_answered_in_time"] or not note["is_late"]
        self._state.put("command", answered)
        return answered

    def open_commands(self) -> list[Document]:
        """The commands that are not over, whatever their status."""
        now = self._clock.now()
        return [one for one in self._state.find("command") if now < as_time(one["ends_at"])]

    def ledger(self) -> list[Document]:
        """Every command, with how Flip counts it: `is_counted_failed`."""
        return [
            {**public(one), "is_counted_failed": self._is_counted_failed(one)} for one in self._state.find("command")
        ]

    def start(self, command_id: str) -> None:
        """The command's time has come."""
        self._tell(command_id, "command.started")

    def end(self, command_id: str) -> None:
        """The command's time is over."""
        self._tell(command_id, "command.ended")

    def _tell(self, command_id: str, event_type: str) -> None:
        command = self._state.get("command", command_id)
        if command and command["status"] == "OK":
            self._outbox.post(event_type, command)

    def _is_counted_failed(self, command: Document) -> bool:
        status = command["device_status"]
        is_overdue = self._clock.now() > as_time(command["_pending_since"]) + ANSWER_WITHIN
        return status not in {"OK", "PENDING"} or (is_overdue and not command["_was_answered_in_time"])

    def _devices(self, wanted: list[str] | None) -> list[Document]:
        known = {device["id"]: device for device in self._state.find("device")}
        if missing := [one for one in wanted or [] if one not in known]:
            raise unknown("device", missing[0])
        if not known:
            raise FieldsRefused(("device_ids", "no device is commissioned yet"))
        return [known[one] for one in wanted or known]

    def _event(self, new: NewEvent, site_id: str, device_ids: list[str]) -> Document:
        starts_at = self._starts_at(new)
        ends_at = starts_at + timedelta(seconds=new.duration_s)
        span = {"starts_at": as_text(starts_at), "ends_at": as_text(ends_at), "duration_s": new.duration_s}
        part = {"device_ids": device_ids, "mode": new.mode, "is_preparatory_action": new.is_preparatory_action}
        event = {
            "object_type": "event", "id": str(uuid.uuid4()), "site_id": site_id, "program_id": self._program(site_id),
            **span, "is_participating": True, "schedule": [{**part, **span}], "device_settings": [],
            "_is_canceled": False, "created_at": (now := self._clock.text()), "updated_at": now,
        }  # fmt: skip
        self._state.put("event", event, site_id)
        self._outbox.post("event.created", self.shown(event))
        return event

    def _program(self, site_id: str) -> str:
        """The program that an event of this site is of: one that it takes part in, or else one that it could."""
        joined = [one["program_id"] for one in self._state.find("enrollment", site_id) if one["status"] in RUNNING]
        return joined[0] if joined else GRID_RESERVE

    def _command(self, new: NewEvent, event: Document, device_id: str) -> str:
        now = self._clock.text()
        asked = new.model_dump(include={"mode", "power_mode", "setpoint_w", "enable_grid_import"})
        asked |= {"backup_reserve_percentage": new.backup_reserve_percentage}
        command = {
            "object_type": "command", "id": str(uuid.uuid4()), "event_id": event["id"], "device_id": device_id,
            "status": "OK", "device_status": "PENDING", "device_status_reason": None,
            "starts_at": event["starts_at"], "ends_at": event["ends_at"], "duration_s": new.duration_s,
            "is_preparatory_action": new.is_preparatory_action, "created_at": now, "updated_at": now,
            "battery_commands": asked, "_pending_since": now, "_was_answered_in_time": False,
        }  # fmt: skip
        self._state.put("command", command, event["site_id"])
        self._state.remind(as_time(event["starts_at"]), "command.start", command["id"])
        self._state.remind(as_time(event["ends_at"]), "command.end", command["id"])
        self._outbox.post("command.created", command)
        return str(command["id"])

    def _starts_at(self, new: NewEvent) -> datetime:
        if new.starts_at and new.starts_at.tzinfo is None:
            raise FieldsRefused(("starts_at", "has no offset from UTC"))
        return new.starts_at or self._clock.now() + timedelta(seconds=new.start_in_s)

    def _changeable(self, event_id: str, site_id: str | None = None) -> Document:
        event = self._state.get("event", event_id)
        if event is None or site_id not in (None, event["site_id"]):
            raise unknown("event", event_id)
        if (status := self.shown(event)["status"]) in {"CANCELED", "COMPLETED"}:
            raise HTTPException(409, detail=f"The event is {status}.")
        return event

    def _commands_of(self, event_id: str) -> list[Document]:
        return [one for one in self._state.find("command") if one["event_id"] == event_id]

    def _apply(self, command: Document, status: str, setting: DeviceSettingBody | None) -> None:
        changes: dict[str, Any] = {}
        if setting and setting.backup_reserve_percentage is not None:
            changes["backup_reserve_percentage"] = setting.backup_reserve_percentage
        if setting and setting.maximum_charge_percentage is not None:
            changes["maximum_charge_percentage"] = setting.maximum_charge_percentage
        if changes or status != command["status"]:
            asked = {**command["battery_commands"], **changes}
            self._reopen({**command, "battery_commands": asked}, "command.updated", status=status)

    def _reopen(self, command: Document, event_type: str, status: str) -> None:
        """A changed command waits for a new answer."""
        now = self._clock.text()
        changed = {
            **command, "device_status": "PENDING", "device_status_reason": None, "status": status, "updated_at": now,
            "_pending_since": now, "_was_answered_in_time": False,
        }  # fmt: skip
        self._state.put("command", changed)
        self._outbox.post(event_type, changed)
