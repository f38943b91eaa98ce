"""What IAM was asked: each action on each resource, by whom, and whether it was allowed. Policies are derived from it.

The emulator asks IAM about every request in one place, whoever made it: boto3, our own SQS client, Terraform.
"""

import functools
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from ministack.core import iam_evaluator

VARIABLE = "FLEET_AWS_RECORDING"
"""Names the file that is written; where it is not set nothing is."""


class Call(NamedTuple):
    """`principal` is an ARN, empty for one that is not known; `resource` is `*` where the action takes none."""

    principal: str
    action: str
    resource: str
    allowed: bool


def record_if_asked() -> None:
    """From here on each new question is a line of the file that `FLEET_AWS_RECORDING` names."""
    if file := os.environ.get(VARIABLE):
        _record(Path(file))


def _record(file: Path) -> None:
    enforce: Any = iam_evaluator.enforce
    noted: set[Call] = set()

    @functools.wraps(enforce)
    def recorded(
        key: str, action: str, service: str, region: str, resource_arn: str = "*", service_context: Any = None
    ) -> Any:
        denied = enforce(key, action, service, region, resource_arn, service_context)
        call = Call(_principal(key), action, resource_arn, denied is None)
        if call not in noted:
            noted.add(call)
            with file.open("a") as lines:
                lines.write(json.dumps(call._asdict()) + "\n")
        return denied

    iam_evaluator.enforce = recorded


def _principal(key: str) -> str:
    return str((iam_evaluator.resolve_caller_identity(key) or {}).get("userArn", ""))


def read_calls(file: Path) -> list[Call]:
    """What was recorded, in the order in which it was first asked."""
    return [Call(**json.loads(line)) for line in file.read_text().splitlines()]
