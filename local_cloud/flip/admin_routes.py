"""The surface that steers the stand-in: from this machine, with its own token."""

import uuid
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from local_cloud.flip.access import require_admin
from local_cloud.flip.bodies import NewEvent, Seconds
from local_cloud.flip.cloud_routes import TheWorld
from local_cloud.flip.faults import Fault, Faults
from local_cloud.flip.refusals import FieldsRefused, unknown
from local_cloud.flip.shapes import Generation, speak
from local_cloud.flip.state import Document
from local_cloud.flip.webhooks import Delivery

FURTHEST = timedelta(days=3_660)
router = APIRouter(prefix="/_standin", dependencies=[Depends(require_admin)])


async def faults_of(request: Request) -> Faults:
    faults: Faults = request.app.state.faults
    return faults


TheFaults = Annotated[Faults, Depends(faults_of)]


class Outage(BaseModel):
    is_out: bool


class Ahead(BaseModel):
    advance_s: Seconds


class Settling(BaseModel):
    settle_after_s: Seconds


class Words(BaseModel):
    generation: Generation


class Verdict(BaseModel):
    status: str
    status_reason: str | None = None


@router.post("/events", status_code=201)
async def create_event(body: NewEvent, world: TheWorld) -> dict[str, list[str]]:
    with world.state.transaction():
        return world.control.create(body)


@router.get("/events")
async def events(world: TheWorld) -> list[Document]:
    return [world.control.shown(one) for one in world.state.find("event")]


@router.post("/events/{event_id}/cancel", status_code=204)
async def cancel_event(event_id: str, world: TheWorld) -> None:
    with world.state.transaction():
        world.control.cancel(event_id)


@router.get("/telemetry")
async def telemetry(world: TheWorld, device_id: str | None = None) -> list[Document]:
    return world.state.received("telemetry", device_id)


@router.get("/acknowledgements")
async def acknowledgements(world: TheWorld, command_id: str | None = None) -> list[Document]:
    return world.state.received("acknowledgement", command_id)


@router.get("/commands")
async def commands(world: TheWorld) -> list[Document]:
    return world.control.ledger()


@router.get("/counters")
async def counters(world: TheWorld) -> list[Document]:
    return world.state.received("counters")


@router.patch("/enrollments/{enrollment_id}")
async def decide(enrollment_id: str, body: Verdict, world: TheWorld) -> Document:
    found = world.state.get("enrollment", enrollment_id)
    if found is None:
        raise unknown("enrollment", enrollment_id)
    with world.state.transaction():
        return world.enrollments.change(found, body.status, body.status_reason)


@router.put("/enrollments", status_code=204)
async def settle(body: Settling, world: TheWorld) -> None:
    world.enrollments.settle_after = timedelta(seconds=body.settle_after_s)


@router.get("/webhooks")
async def deliveries(world: TheWorld) -> list[Document]:
    return world.outbox.deliveries()


@router.put("/webhooks")
async def deliver(body: Delivery, world: TheWorld) -> Delivery:
    world.outbox.configure(body)
    return body


@router.put("/generation", status_code=204)
async def speak_as(body: Words, world: TheWorld) -> None:
    speak(world.state, body.generation)


@router.post("/settings", status_code=201)
async def ask_for_settings(body: dict[str, Any], world: TheWorld) -> Document:
    """Have settings asked for by a webhook; whatever fields the body has, for Flip prints none."""
    asked = {**body, "object_type": "settings_request", "id": str(uuid.uuid4())}
    with world.state.transaction():
        world.state.put("settings_request", asked)
        world.outbox.post("settings.apply", asked)
    return asked


@router.get("/settings")
async def settings_answers(world: TheWorld) -> list[Document]:
    return world.state.received("settings_answer")


@router.get("/requests")
async def requests(faults: TheFaults, path: str = "/v1") -> list[dict[str, Any]]:
    return [request for request in faults.requests if request["path"].startswith(path)]


@router.post("/faults", status_code=204)
async def inject(body: Fault, faults: TheFaults) -> None:
    faults.coming.append(body)


@router.delete("/faults", status_code=204)
async def heal(faults: TheFaults) -> None:
    faults.coming.clear()
    faults.is_out = False


@router.put("/outage", status_code=204)
async def outage(body: Outage, faults: TheFaults) -> None:
    faults.is_out = body.is_out


@router.post("/clock", status_code=204)
async def set_ahead(body: Ahead, world: TheWorld) -> None:
    ahead = world.clock.ahead + timedelta(seconds=body.advance_s)
    if ahead > FURTHEST:
        raise FieldsRefused(("advance_s", f"would set the clock {ahead.days} days ahead, {FURTHEST.days} are allowed"))
    world.clock.ahead = ahead


@router.post("/reset", status_code=204)
async def reset(world: TheWorld, faults: TheFaults) -> None:
    world.reset()
    faults.coming.clear()
    faults.requests.clear()
    faults.is_out = False
