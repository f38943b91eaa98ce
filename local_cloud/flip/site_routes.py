"""What a site's own token opens."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Response

from local_cloud.flip.access import SiteId, require_site
from local_cloud.flip.bodies import DevicePatch, EnrollmentBody, EventPatch, SiteFields
from local_cloud.flip.catalog import PROGRAMS, RUNNING, programs_at
from local_cloud.flip.cloud_routes import Limit, Skip, TheWorld
from local_cloud.flip.refusals import unknown
from local_cloud.flip.shapes import generation_of, written
from local_cloud.flip.state import Document
from local_cloud.flip.world import World

Status = Literal["ACTIVE", "COMPLETED", "UPCOMING"]
router = APIRouter(prefix="/v1/site/{site_id}", dependencies=[Depends(require_site)])


@router.get("")
async def site(site_id: SiteId, world: TheWorld) -> Document:
    return _own(world, "site", site_id, site_id)


@router.patch("")
async def change_site(site_id: SiteId, body: SiteFields, world: TheWorld) -> Document:
    changed = {
        **_own(world, "site", site_id, site_id), **body.model_dump(exclude_unset=True), "updated_at": world.clock.text()
    }  # fmt: skip
    world.state.put("site", changed, site_id)
    return changed


@router.get("/devices")
async def devices(site_id: SiteId, world: TheWorld) -> list[Document]:
    return world.state.find("device", site_id)


@router.get("/device/{device_id}")
async def device(site_id: SiteId, device_id: str, world: TheWorld) -> Document:
    return _own(world, "device", device_id, site_id)


@router.patch("/device/{device_id}")
async def change_device(site_id: SiteId, device_id: str, body: DevicePatch, world: TheWorld) -> Document:
    found = _own(world, "device", device_id, site_id)
    changed = {**found, **body.model_dump(exclude_unset=True), "updated_at": world.clock.text()}
    world.state.put("device", changed, site_id)
    return changed


@router.delete("/device/{device_id}", status_code=204)
async def remove_device(site_id: SiteId, device_id: str, world: TheWorld) -> Response:
    """Flip prints no answer and no condition: the stricter guess is that one in a program stays."""
    _own(world, "device", device_id, site_id)
    for one in world.state.find("enrollment", site_id):
        if device_id in one["device_ids"] and one["status"] in RUNNING:
            raise HTTPException(409, detail=f"The device takes part in the program {one['program_id']}.")
    world.state.remove("device", device_id)
    return Response(status_code=204)


@router.get("/programs")
async def programs(
    zip_code: Annotated[str, Query()], device_type: Annotated[str, Query()], skip: Skip = 0, limit: Limit = 100
) -> list[Document]:
    return programs_at(zip_code, device_type)[skip : skip + limit]


@router.get("/program/{program_id}")
async def program(program_id: str) -> Document:
    if program_id not in PROGRAMS:
        raise unknown("program", program_id)
    return PROGRAMS[program_id]


@router.get("/enrollments")
async def enrollments(site_id: SiteId, world: TheWorld) -> list[Document]:
    return [_enrollment(world, one) for one in world.state.find("enrollment", site_id)]


@router.post("/enrollments")
async def enroll(site_id: SiteId, body: EnrollmentBody, world: TheWorld) -> Document:
    with world.state.transaction():
        return _enrollment(world, world.enrollments.apply(_own(world, "site", site_id, site_id), body))


@router.get("/enrollment/{enrollment_id}")
async def enrollment(site_id: SiteId, enrollment_id: str, world: TheWorld) -> Document:
    return _enrollment(world, _own(world, "enrollment", enrollment_id, site_id))


@router.delete("/enrollment/{enrollment_id}", status_code=204)
async def unenroll(site_id: SiteId, enrollment_id: str, world: TheWorld) -> Response:
    found = _own(world, "enrollment", enrollment_id, site_id)
    if found["status"] not in RUNNING:
        raise HTTPException(409, detail=f"The enrollment is {found['status']}.")
    with world.state.transaction():
        world.enrollments.change(found, "UNENROLLED", "The homeowner left the program.")
    return Response(status_code=204)


@router.get("/events")
async def events(site_id: SiteId, world: TheWorld, status: Annotated[list[Status], Query()] = []) -> list[Document]:  # noqa: B006
    """The newest start first; without `status` canceled ones too."""
    found = [world.control.shown(one) for one in world.state.find("event", site_id)]
    wanted = [one for one in found if not status or one["status"] in status]
    return sorted(wanted, key=lambda one: str(one["starts_at"]), reverse=True)


@router.get("/event/{event_id}")
async def event(site_id: SiteId, event_id: str, world: TheWorld) -> Document:
    return world.control.shown(_own(world, "event", event_id, site_id))


@router.patch("/event/{event_id}")
async def change_event(site_id: SiteId, event_id: str, body: EventPatch, world: TheWorld) -> Document:
    with world.state.transaction():
        return world.control.change(site_id, event_id, body)


def _enrollment(world: World, enrollment: Document) -> Document:
    return written("enrollment", enrollment, generation_of(world.state))


def _own(world: World, kind: str, identity: str, site_id: str) -> Document:
    """The site's own document: another site's is as unknown as one that never was."""
    found = world.state.get(kind, identity)
    if found is None or (kind != "site" and found["site_id"] != site_id):
        raise unknown(kind, identity)
    return found
