"""Refusals of the API in Flip's shapes; those of the surface that steers the stand-in are FastAPI's, but without what
was sent."""

import json

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from local_cloud.flip.refusals import FieldsRefused, Problem
from local_cloud.flip.shapes import error_body, generation_of


def refuse_as_flip_does(app: FastAPI) -> None:
    """Have this app write what Flip writes when it refuses."""
    app.exception_handler(HTTPException)(_refused)
    app.exception_handler(RequestValidationError)(_invalid)


async def require_text(request: Request) -> None:
    """422 for a body with half a character in a text, which no answer of ours could hold."""
    try:
        json.dumps(json.loads(await request.body()), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise FieldsRefused(("body", "holds half a character")) from error
    except (ValueError, RecursionError):  # no JSON: for who reads the body to say
        return


async def _refused(request: Request, error: HTTPException) -> Response:
    if not request.url.path.startswith("/v1"):
        return await http_exception_handler(request, error)
    if isinstance(error, FieldsRefused):
        return _fields(request, error.problems)
    return _answer(request, error.status_code, str(error.detail), [])


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    if not request.url.path.startswith("/v1"):
        problems = [{name: one[name] for name in ("type", "loc", "msg")} for one in error.errors()]
        return JSONResponse({"detail": problems}, 422)
    return _fields(request, [(".".join(map(str, one["loc"][1:])), str(one["msg"])) for one in error.errors()])


def _fields(request: Request, problems: list[Problem]) -> JSONResponse:
    return _answer(request, 422, "Some fields cannot be used.", problems)


def _answer(request: Request, status: int, message: str, problems: list[Problem]) -> JSONResponse:
    return JSONResponse(error_body(status, message, problems, generation_of(request.app.state.store)), status)
