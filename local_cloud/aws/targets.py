"""IoT's AttachPolicy and DetachPolicy are allowed for a certificate or a group; the emulator asks about `*`.

Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS IoT".
"""

import functools
import json
from typing import Any

from ministack.core import iam_actions


def be_strict() -> None:
    """From here on the target that a policy is attached to is what IAM is asked about."""
    extract: Any = iam_actions.extract_resource_arn

    @functools.wraps(extract)
    def targeted(service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any) -> str:
        named = _target(body) if service == "iot" and path.startswith("/target-policies/") else ""
        return named or str(extract(service, method, path, headers, body, *rest))

    iam_actions.extract_resource_arn = targeted


def _target(body: bytes) -> str:
    try:
        return str(json.loads(body)["target"])
    except (ValueError, KeyError, TypeError):
        return ""
