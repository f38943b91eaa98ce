"""Faults on request: a status for the next calls of a path, latency, an answer that is lost, an outage."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

Handle = Callable[[Request], Awaitable[Response]]


class Fault(BaseModel):
    """What befalls the next `times` calls whose path begins with `path`.

    `status` answers instead of Flip, after `latency_s`; with `is_after` the call is carried out first, and its answer
    alone late or lost.
    """

    path: str = "/v1"
    method: str | None = None
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    times: Annotated[int, Field(ge=1)] = 1
    latency_s: Annotated[float, Field(ge=0, le=60)] = 0
    retry_after_s: Annotated[float, Field(ge=0)] | None = None
    is_after: bool = False
    body: Any = None
    text: str | None = None
    """Answers with this instead of JSON: what a proxy on the way says, or an answer that was cut short."""


class Faults:
    """The faults to come, and the last calls that were made."""

    def __init__(self) -> None:
        self.coming: list[Fault] = []
        self.is_out = False
        self.requests: deque[dict[str, Any]] = deque(maxlen=2000)

    async def around(self, request: Request, handle: Handle) -> Response:
        """Middleware: the API only, never the surface that steers it."""
        if not request.url.path.startswith("/v1"):
            return await handle(request)
        answer = await self._answer(request, handle)
        self.requests.append({"method": request.method, "path": request.url.path, "status": answer.status_code})
        return answer

    async def _answer(self, request: Request, handle: Handle) -> Response:
        if self.is_out:
            return JSONResponse({"message": "Flip is out of order."}, 503)
        fault = self._next(request)
        if fault is None:
            return await handle(request)
        if not fault.is_after:
            await asyncio.sleep(fault.latency_s)
        carried_out = await handle(request) if fault.is_after or fault.status is None else None
        if fault.is_after:
            await asyncio.sleep(fault.latency_s)
        return carried_out if fault.status is None and carried_out is not None else _faulty(fault)

    def _next(self, request: Request) -> Fault | None:
        for fault in self.coming:
            if request.url.path.startswith(fault.path) and fault.method in (None, request.method):
                fault.times -= 1
                if not fault.times:
                    self.coming.remove(fault)
                return fault
        return None


def _faulty(fault: Fault) -> Response:
    headers = {} if fault.retry_after_s is None else {"Retry-After": f"{fault.retry_after_s:g}"}
    if fault.text is not None:
        return Response(fault.text, fault.status or 500, headers=headers, media_type="text/html")
    body = fault.body if fault.body is not None else {"message": "A fault that was asked for."}
    return JSONResponse(body, fault.status or 500, headers=headers)
