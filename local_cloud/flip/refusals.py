"""How the stand-in says no: with Flip's status codes, and the fields that are wrong."""

from fastapi import HTTPException

Problem = tuple[str, str]
"""A field's name, with dots, and what is wrong with it."""


class FieldsRefused(HTTPException):
    """422."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(422, detail=[{"loc": ["body", *name.split(".")], "msg": said} for name, said in problems])
        self.problems = list(problems)


def unknown(what: str, identity: str) -> HTTPException:
    return HTTPException(404, detail=f"There is no {what} {identity!r}.")


def exists(what: str) -> HTTPException:
    return HTTPException(409, detail=f"{what} already exists.")
