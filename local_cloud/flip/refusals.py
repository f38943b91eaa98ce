"""How the stand-in says no: Flip's status codes, and its list of fields."""

from fastapi import HTTPException


def fields_refused(*problems: tuple[str, str]) -> HTTPException:
    """422 with the fields as Flip lists them; a name has dots."""
    detail = [{"loc": ["body", *name.split(".")], "msg": said, "type": "value_error"} for name, said in problems]
    return HTTPException(422, detail=detail)


def unknown(what: str, identity: str) -> HTTPException:
    return HTTPException(404, detail=f"There is no {what} {identity!r}.")


def exists(what: str) -> HTTPException:
    return HTTPException(409, detail=f"{what} already exists.")
