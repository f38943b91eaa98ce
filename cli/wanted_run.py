"""A run that an operator wants: of which deployment, and with which parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cli.output import Output


@dataclass(frozen=True)
class WantedRun:
    """Said before Prefect is loaded, which takes seconds: who is refused or asked first does not wait for that."""

    deployment: str
    parameters: Mapping[str, Any]

    def begin(self, wait: bool, as_json: bool) -> None:
        """Have it run, and follow it to its end unless `wait` is off. Raises `FleetError` unless it completed."""
        from cli.operations import operate

        operate(self.deployment, self.parameters, Output(as_json), wait)
