"""What the client token opens."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from local_cloud.flip.access import issue_site_token, require_client
from local_cloud.flip.bodies import AcknowledgementBody, CommissionBody, DeviceBody, TelemetryBody
from local_cloud.flip.catalog import PROGRAMS, programs_at
from local_cloud.flip.points import problem_with
from local_cloud.flip.refusals import exists, fields_refused, unknown
from local_cloud.flip.state import Document
from local_cloud.flip.world import World, world_of

router = APIRouter(prefix="/v1", dependencies=[Depends(require_client)])
TheWorld = Annotated[World, Depends(world_of)]


@router.post("/auth/site/{site_id}")
async def site_token(site_id: str, world: TheWorld) -> dict[str, str]:
    if world.state.get("site", site_id) is None:
        raise unknown("site", site_id)
    return issue_site_token(world.state, world.clock, site_id)


@router.post("/commission", status_code=201)
async def commission(body: CommissionBody, world: TheWorld) -> dict[str, Any]:
    site = body.site.model_dump()
    if world.state.get("site", site["id"]):
        raise exists(f"The site {site['id']!r}")
    with world.state.transaction():
        world.state.put("site", site, site["id"])
        for device in body.devices:
            _add_device(world, site["id"], device)
        return {"programs": programs_at(site["zip_code"]), "enrollment": _auto_enrollment(world, body)}


@router.post("/site/{site_id}/devices", status_code=201)
async def create_device(site_id: str, body: DeviceBody, world: TheWorld) -> Document:
    if world.state.get("site", site_id) is None:
        raise unknown("site", site_id)
    return _add_device(world, site_id, body)


@router.get("/sites")
async def sites(world: TheWorld) -> dict[str, Any]:
    return {"sites": world.state.find("site")}


@router.get("/programs")
async def programs() -> dict[str, Any]:
    return {"programs": list(PROGRAMS.values())}


@router.post("/telemetry/BATTERY")
async def telemetry(body: TelemetryBody, world: TheWorld) -> list[dict[str, str | None]]:
    known = {device["id"] for device in world.state.find("device")}
    problems = [problem_with(point, known.__contains__) for point in body.telemetry]
    stored = [point for point, problem in zip(body.telemetry, problems, strict=True) if problem is None]
    with world.state.transaction():
        world.state.receive("telemetry", [(point["device_id"], point) for point in stored], world.clock.text())
    return [{"status": "FAILED" if problem else "OK", "message": problem} for problem in problems]


@router.get("/commands")
async def commands(world: TheWorld) -> dict[str, Any]:
    return {"commands": world.control.open_commands()}


@router.patch("/command/{command_id}")
async def acknowledge(command_id: str, body: AcknowledgementBody, world: TheWorld) -> Document:
    with world.state.transaction():
        return world.control.acknowledge(command_id, body.device_status)


def _add_device(world: World, site_id: str, body: DeviceBody) -> Document:
    if body.site_id not in (None, site_id):
        raise fields_refused(("devices.site_id", "is another site's"))
    if world.state.get("device", body.id):
        raise exists(f"The device {body.id!r}")
    device = {**body.model_dump(), "site_id": site_id}
    world.state.put("device", device, site_id)
    return device


def _auto_enrollment(world: World, body: CommissionBody) -> Document | None:
    offered = [program for program in programs_at(body.site.zip_code) if program["can_auto_enroll"]]
    if not body.can_auto_enroll or not offered:
        return None
    device_ids = [device.id for device in body.devices]
    return world.enrollments.enroll(body.site.id, offered[0], device_ids, "AUTO_ENROLL")
