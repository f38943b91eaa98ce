"""What IAM is asked about, where the emulator asks about something else than AWS.

- IoT's AttachPolicy and DetachPolicy: the certificate or the group, not `*`.
- SQS's batches: the action of one message, `sqs:DeleteMessage` for DeleteMessageBatch; there are no actions of their
  own for them (SQS developer guide, "API permissions reference").
- CloudWatch's alarms that are described and deleted, and the tags of an alarm, a topic, a table: by name, not `*`.
- Glue's databases and tables: by name, a table below its database, and not a database as a table. AWS asks about the
  catalog and the database above them too; here it is the one that a call is about.
- SES's DeleteIdentity: `*`, for it takes no resource.

Source of all: Service Authorization Reference, "Actions, resources, and condition keys" for each service.
"""

import functools
import json
from typing import Any

from ministack.core import iam_actions
from ministack.core.responses import get_account_id

_OF_ONE_MESSAGE = ("SendMessage", "DeleteMessage", "ChangeMessageVisibility")
_BATCHES = {f"sqs:{action}Batch": f"sqs:{action}" for action in _OF_ONE_MESSAGE}
_TAGGED = ("ResourceArn", "ResourceARN")


def be_strict() -> None:
    """From here on IAM is asked as AWS asks it."""
    extract_resource: Any = iam_actions.extract_resource_arn
    extract_action: Any = iam_actions.extract_iam_action

    @functools.wraps(extract_resource)
    def resource(
        service: str, method: str, path: str, headers: Any, body: bytes, query: Any, region: str, *rest: Any
    ) -> str:
        said = _said(body) | {name: _only(value) for name, value in (query or {}).items()}
        named = _named(service, path, said, region)
        return named or str(extract_resource(service, method, path, headers, body, query, region, *rest))

    @functools.wraps(extract_action)
    def action(*request: Any) -> Any:
        found = extract_action(*request)
        return _BATCHES.get(found, found)

    iam_actions.extract_resource_arn, iam_actions.extract_iam_action = resource, action


def _named(service: str, path: str, said: dict[str, Any], region: str) -> str:
    """The resource as AWS names it, empty where the emulator does as AWS does."""
    if service == "iot" and path.startswith("/target-policies/"):
        return str(said.get("target", ""))
    if service == "ses" and said.get("Action") == "DeleteIdentity":
        return "*"
    if service == "monitoring" and (alarm := _alarm(said)):
        return f"arn:aws:cloudwatch:{region}:{get_account_id()}:alarm:{alarm}"
    if service == "glue" and (named := _in_the_catalog(said)):
        return f"arn:aws:glue:{region}:{get_account_id()}:{named}"
    if service in ("monitoring", "sns", "dynamodb"):
        return next((str(said[name]) for name in _TAGGED if said.get(name)), "")
    return ""


def _alarm(said: dict[str, Any]) -> str:
    """The one alarm that is described or deleted. Of several, AWS asks about each: `*` is as strict as that."""
    if listed := said.get("AlarmNames"):
        return str(listed[0]) if isinstance(listed, list) and len(listed) == 1 else ""
    return "" if "AlarmNames.member.2" in said else str(said.get("AlarmNames.member.1", ""))


def _in_the_catalog(said: dict[str, Any]) -> str:
    """The database or the table that a call of Glue's is about; empty for what is neither."""
    new_database, new_table = (said.get(name) or {} for name in ("DatabaseInput", "TableInput"))
    if database := said.get("DatabaseName"):
        table = said.get("Name") or said.get("TableName") or new_table.get("Name")
        return f"table/{database}/{table}" if table else f"database/{database}"
    if database := said.get("Name") or new_database.get("Name"):
        return f"database/{database}"
    return str(said.get("ResourceArn", "")).rpartition(":")[2]


def _said(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _only(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value
