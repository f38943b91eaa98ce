"""What IAM is asked about, where the emulator asks about something else than AWS.

- IoT's AttachPolicy and DetachPolicy: the certificate or the group, not `*` (Service Authorization Reference, "Actions,
  resources, and condition keys for AWS IoT").
- SQS's batches: the action of one message, `sqs:DeleteMessage` for DeleteMessageBatch; there are no actions of their
  own for them (same reference, "Amazon SQS"; SQS developer guide, "API permissions reference").
"""

import functools
import json
from typing import Any

from ministack.core import iam_actions

_OF_ONE_MESSAGE = ("SendMessage", "DeleteMessage", "ChangeMessageVisibility")
_BATCHES = {f"sqs:{action}Batch": f"sqs:{action}" for action in _OF_ONE_MESSAGE}


def be_strict() -> None:
    """From here on IAM is asked as AWS asks it."""
    extract_resource: Any = iam_actions.extract_resource_arn
    extract_action: Any = iam_actions.extract_iam_action

    @functools.wraps(extract_resource)
    def resource(service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any) -> str:
        named = _target(body) if service == "iot" and path.startswith("/target-policies/") else ""
        return named or str(extract_resource(service, method, path, headers, body, *rest))

    @functools.wraps(extract_action)
    def action(*request: Any) -> Any:
        found = extract_action(*request)
        return _BATCHES.get(found, found)

    iam_actions.extract_resource_arn, iam_actions.extract_iam_action = resource, action


def _target(body: bytes) -> str:
    try:
        return str(json.loads(body)["target"])
    except (ValueError, KeyError, TypeError):
        return ""
