"""What the form of a flow takes: bounds and choices, which Prefect shows at the field and holds before a run begins."""

from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler

from fleet.devices import THING_NAME
from fleet.products import products

DAY_S = 86_400


class _KnownModels:
    """A choice of the models in the table of products."""

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core_schema), "enum": sorted(products().models)}


ThingName = Annotated[str, Field(pattern=f"^{THING_NAME}$")]
ThingNameOrNone = Annotated[str, Field(pattern=f"^({THING_NAME})?$")]
"""Empty: any."""
ThingNames = Annotated[list[ThingName], Field(min_length=1, max_length=1_000)]
Model = Annotated[str, _KnownModels()]
LockId = Annotated[str, Field(pattern=r"^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$")]
"""Terraform's id of a lock, a UUID; empty: none."""
Budget = Annotated[float, Field(ge=0, le=DAY_S)]
"""Seconds of work."""
LongPoll = Annotated[float, Field(ge=0, le=20)]
"""Seconds that SQS waits for a message."""
