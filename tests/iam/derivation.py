"""Policies out of what was asked: each action that a program was seen to take, on each resource, and a little more.

What cannot be seen is added by hand, each with its reason.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from local_cloud.aws.recording import Call

DOCUMENTS = Path(__file__).parents[2] / "terraform" / "documents"
TAKES_NO_PERMISSION = frozenset({"sts:GetCallerIdentity"})
"""STS API reference: "No permissions are required to perform this operation"."""

SIDS = {
    r"apigateway:.*": "WebhookRoute",
    r"cloudwatch:.*": "Alarms",
    r"dynamodb:.*": "LockOfTheState",
    r"glue:.*": "TableOfTheArchive",
    r"iam:.*:role/.*": "Roles",
    r"iam:.*:user/.*": "MailUser",
    r"iot:.*": "RuleAndIdentityOfDevices",
    r"s3:.*-ar": "Archive",
    r"s3:.*-tf": "BucketOfTheState",
    r"s3:.*/fleet\.tfstate": "StateItself",
    r"sns:.*": "AlarmTopic",
    r"sqs:.*": "Queues",
    r"\*": "CallsThatTakeNoResource",
}
"""What the statement of each kind of resource is called, by what follows `arn:${partition}:`."""

# The services look at these when they are handed a role (IAM user guide, "Grant a user permissions to pass a role to an
# AWS service"). No request is named so, which is why none is recorded; and each service may be handed its own alone.
_ROLE = "arn:${partition}:iam::${account}:role/${project}-"
HANDED_TO_SERVICES: list[dict[str, Any]] = [
    {
        "Sid": f"HandRolesTo{name}",
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": _ROLE + roles[0] if len(roles) == 1 else [_ROLE + role for role in roles],
        "Condition": {"StringEquals": {"iam:PassedToService": service}},
    }
    for name, service, roles in [
        ("ApiGateway", "apigateway.amazonaws.com", ["webhook-gateway"]),
        ("IotCore", "iot.amazonaws.com", ["iot-logging", "rule"]),
    ]
]
ADDED: Mapping[str, list[dict[str, Any]]] = {"deployer": HANDED_TO_SERVICES, "operator": []}

_GLUE = "arn:${partition}:glue:${region}:${account}:"
ASKED_BESIDE: Mapping[str, set[str]] = {
    "TableOfTheArchive": {
        _GLUE + "catalog", _GLUE + "table/${archive_database}/*", _GLUE + "userDefinedFunction/${archive_database}/*",
    },
}  # fmt: skip
"""By statement, what AWS asks about besides the thing itself, and the embedded one does not: of Glue's what is above
it, and of a database that goes all that may be in it (Service Authorization Reference, Glue)."""


def derived(name: str, calls: Iterable[Call], values: Mapping[str, str]) -> str:
    """The document `NAME_policy.json` out of what was recorded with these values, as text."""
    wanted: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for call in calls:
        if call.action not in TAKES_NO_PERMISSION:
            resource = general(call.resource, values)
            actions, resources = wanted[_sid(resource)]
            actions.add(call.action)
            resources.add(resource)
    statements = [
        {
            "Sid": sid,
            "Effect": "Allow",
            "Action": _listed(actions),
            "Resource": _listed(resources | ASKED_BESIDE.get(sid, set())),
        }
        for sid, (actions, resources) in sorted(wanted.items())
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements + ADDED[name]}, indent=2) + "\n"


def general(resource: str, values: Mapping[str, str]) -> str:
    """A resource that was recorded, as a document names it: with values to fill in, without ids that AWS chooses."""
    resource = re.sub(r"(:/restapis)/.+", r"\1/*", resource)
    for name in ("telemetry_rule", "archive_database"):  # the longer one first: it begins like the other
        resource = resource.replace(values[name], f"${{{name}}}")
    for name in ("project", "account", "region"):
        resource = resource.replace(values[name], f"${{{name}}}")
    return resource.replace("arn:aws:", "arn:${partition}:")


def _sid(resource: str) -> str:
    named = resource.removeprefix("arn:${partition}:")
    found = [sid for kind, sid in SIDS.items() if re.fullmatch(kind, named)]
    assert len(found) == 1, f"{resource} is of a new kind: name its statement in SIDS"
    return found[0]


def _listed(values: set[str]) -> str | list[str]:
    return sorted(values) if len(values) > 1 else next(iter(values))
