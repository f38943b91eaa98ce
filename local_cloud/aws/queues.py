"""SQS where the emulator takes what AWS does not: attributes without a value, and attributes beside a full body.

Source: SQS API reference, "SendMessage" and "MessageAttributeValue"; developer guide, "Message quotas".
"""

import functools
from typing import Any

from ministack.services import sqs

_DEFAULT_LIMIT = str(1024 * 1024)


def be_strict() -> None:
    """From here on a message's attributes have values, and count into its size."""
    send: Any = sqs._act_send_message

    @functools.wraps(send)
    def checked(data: dict[str, Any], url: str) -> Any:
        attributes = data.get("MessageAttributes") or {}
        for name, value in attributes.items():
            if not (value.get("StringValue") or value.get("BinaryValue")):
                kind = value.get("DataType", "String")
                _refuse(f"Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'.")
        limit = int(sqs._get_q(url)["attributes"].get("MaximumMessageSize", _DEFAULT_LIMIT))
        if len(str(data.get("MessageBody", "")).encode()) + _size(attributes) > limit:
            _refuse(f"One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes.")
        return send(data, url)

    sqs._act_send_message = sqs._HANDLERS["SendMessage"] = checked


def _size(attributes: dict[str, dict[str, str]]) -> int:
    """Bytes of names, types and values."""
    return sum(len(name.encode()) + sum(len(str(part).encode()) for part in value.values())
               for name, value in attributes.items())  # fmt: skip


def _refuse(message: str) -> None:
    raise sqs._Err("InvalidParameterValue", message)
