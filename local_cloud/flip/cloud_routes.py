"""What the client token opens."""

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from local_cloud.flip.access import issue_site_token, require_client
from local_cloud.flip.bodies import (
    AcknowledgementBody,
    CommissionBody,
    CountersBody,
    DeviceBody,
    SessionBody,
    SiteBody,
    TelemetryBody,
)
from local_cloud.flip.catalog import PROGRAMS, programs_at
from local_cloud.flip.points import problem_with, problem_with_counters
from local_cloud.flip.refusals import FieldsRefused, exists, unknown
from local_cloud.flip.shapes import generation_of, written
from local_cloud.flip.state import Document
from local_cloud.flip.world import World, world_of

router = APIRouter(prefix="/v1", dependencies=[Depends(require_client)])
TheWorld = Annotated[World, Depends(world_of)]
Skip = Annotated[int, Query(ge=0)]
Limit = Annotated[int, Query(ge=1, le=100)]
Whole = Annotated[int, Query(ge=1)]
Results = list[dict[str, str | None]]


@router.post("/auth/site/{site_id}")
async def site_token(site_id: str, world: TheWorld) -> dict[str, str]:
    if world.state.get("site", site_id) is None:
        raise unknown("site", site_id)
    return issue_site_token(world.state, world.clock, site_id)


@router.post("/commission")
async def commission(body: CommissionBody, world: TheWorld) -> dict[str, Any]:
    with world.state.transaction():
        _add_site(world, body.site, body.devices)
        return {"programs": programs_at(body.site.zip_code), "enrollment": _auto_enrollment(world, body)}


@router.post("/sessions")
async def session(body: SessionBody, world: TheWorld) -> dict[str, Any]:
    """A portal's token, good for one visit; a site that is not known yet is commissioned."""
    with world.state.transaction():
        site = world.state.get("site", body.site.id) or _add_site(world, body.site, body.devices)
        token = secrets.token_urlsafe(32)
        return {"token": token, "has_programs": bool(programs_at(site["zip_code"]))}


@router.post("/site/{site_id}/devices")
async def create_device(site_id: str, body: DeviceBody, world: TheWorld) -> Document:
    if world.state.get("site", site_id) is None:
        raise unknown("site", site_id)
    return _add_device(world, site_id, body)


@router.get("/sites")
async def sites(world: TheWorld, skip: Skip = 0, limit: Limit = 100) -> list[Document]:
    return world.state.find("site")[skip : skip + limit]


@router.get("/programs")
async def programs(
    device_type: Annotated[str, Query()], total_capacity_wh: Whole, total_power_w: Whole
) -> list[Document]:
    return [program for program in PROGRAMS.values() if device_type in program["eligible_device_types"]]


@router.post("/telemetry/BATTERY")
async def telemetry(body: TelemetryBody, world: TheWorld) -> Results:
    return _receive(world, "telemetry", body.telemetry, [problem_with(one, _known(world)) for one in body.telemetry])


@router.post("/telemetry/BATTERY_COUNTER")
async def counters(body: CountersBody, world: TheWorld) -> Results:
    problems = [problem_with_counters(one, _known(world)) for one in body.telemetry]
    return _receive(world, "counters", body.telemetry, problems)


@router.get("/commands")
async def commands(world: TheWorld) -> list[Document]:
    return [_command(world, one) for one in world.control.open_commands()]


@router.patch("/command/{command_id}")
async def acknowledge(command_id: str, body: AcknowledgementBody, world: TheWorld) -> Document:
    with world.state.transaction():
        answered = world.control.acknowledge(command_id, body.device_status, body.device_status_reason)
    return _command(world, answered)


@router.patch("/settings/{request_id}")
async def answer_settings(request_id: str, body: dict[str, Any], world: TheWorld) -> Document:
    """What a battery made of settings that were asked for; Flip prints no field of the answer."""
    found = world.state.get("settings_request", request_id)
    if found is None:
        raise unknown("settings request", request_id)
    with world.state.transaction():
        world.state.receive("settings_answer", [(request_id, body)], world.clock.text())
    return found


def _command(world: World, command: Document) -> Document:
    return written("command", command, generation_of(world.state))


def _known(world: World) -> set[str]:
    return {device["id"] for device in world.state.find("device")}


def _receive(world: World, kind: str, items: list[Any], problems: list[str | None]) -> Results:
    stored = [item for item, problem in zip(items, problems, strict=True) if problem is None]
    with world.state.transaction():
        world.state.receive(kind, [(item["device_id"], item) for item in stored], world.clock.text())
    return [{"status": "FAILED" if problem else "OK", "message": problem} for problem in problems]


def _add_site(world: World, body: SiteBody, devices: list[DeviceBody]) -> Document:
    if world.state.get("site", body.id):
        raise exists(f"The site {body.id!r}")
    now = world.clock.text()
    site = {**body.model_dump(), "created_at": now, "updated_at": now}
    world.state.put("site", site, body.id)
    for device in devices:
        _add_device(world, body.id, device)
    return site


def _add_device(world: World, site_id: str, body: DeviceBody) -> Document:
    if body.site_id not in (None, site_id):
        raise FieldsRefused(("devices.site_id", "is another site's"))
    if world.state.get("device", body.id):
        raise exists(f"The device {body.id!r}")
    now = world.clock.text()
    device = {**body.model_dump(), "site_id": site_id, "created_at": now, "updated_at": now}
    world.state.put("device", device, site_id)
    return device


def _auto_enrollment(world: World, body: CommissionBody) -> Document | None:
    offered = [program for program in programs_at(body.site.zip_code) if program["can_auto_enroll"]]
    if not body.can_auto_enroll or not offered:
        return None
    device_ids = [device.id for device in body.devices]
    made = world.enrollments.enroll(body.site.id, offered[0], device_ids, "AUTO_ENROLL")
    return written("enrollment", made, generation_of(world.state))
