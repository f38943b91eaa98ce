"""The roles that AWS's services take on to deliver: the emulator hands over whatever they say, AWS looks at them first.

Sources: IAM user guide, "Cross-service confused deputy prevention" and "Policy evaluation logic"; IoT Core developer
guide, "Cross-service confused deputy prevention" (the rule engine says account and ARN); API Gateway says neither when
it takes on an integration's role, so a role that asks for them is refused (seen by an AWS solution's maintainers,
aws-solutions-library-samples/accelerated-intelligent-document-processing-on-aws, pull request 479).
"""

import functools
import json
import logging
from dataclasses import dataclass, field
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext
from ministack.services import apigateway_v1, iam, iot

_log = logging.getLogger("ministack")


class RoleNotAssumed(RuntimeError):
    """The role does not exist in that account, or does not let the service take it on."""


class ActionDenied(RuntimeError):
    """The role may not do what the service wants to do with it."""


@dataclass(frozen=True)
class Delivery:
    """A service that wants to do something with a role of `account`; `says` are the condition keys that it sets."""

    service: str
    account: str
    region: str
    role_arn: str
    action: str
    resource: str
    says: dict[str, str] = field(default_factory=dict)

    def authorize(self) -> None:
        """Raises `RoleNotAssumed` or `ActionDenied`, as AWS would refuse it."""
        name = self.role_arn.rsplit("/", 1)[-1]
        role = iam._roles.get_scoped(self.account, None, name)
        if role is None or role["Arn"] != self.role_arn or not self._is_trusted(role["AssumeRolePolicyDocument"]):
            raise RoleNotAssumed(f"{self.service} is not authorized to perform sts:AssumeRole on {self.role_arn}")
        session = f"arn:aws:sts::{self.account}:assumed-role/{name}/{self.service.partition('.')[0]}"
        context = self._context(session, self.action, self.resource)
        policies = iam_evaluator._gather_role_policies(name, self.account)
        limits = iam_evaluator._permissions_boundary(iam._roles, name, self.account)
        result = iam_evaluator.evaluate(context, policies, *limits)
        if found := iam_evaluator._resource_policy(self.action.partition(":")[0], self.resource):
            result = iam_evaluator.combine_resource_policy(result, context, *found, limits=limits)
        if result.decision != "Allow":
            raise ActionDenied(f"{session} is not authorized to perform {self.action} on {self.resource}")

    def _is_trusted(self, document: str | dict[str, Any]) -> bool:
        trust = json.loads(document) if isinstance(document, str) else document
        context = self._context("", "sts:AssumeRole", self.role_arn)
        statements = trust["Statement"] if isinstance(trust["Statement"], list) else [trust["Statement"]]
        effects = {each["Effect"] for each in statements if self._is_meant(each, context)}
        return effects == {"Allow"}

    def _is_meant(self, statement: dict[str, Any], context: EvalContext) -> bool:
        (parsed,) = iam_evaluator.parse_policy_document({"Statement": [statement]})
        return all(
            (
                iam_evaluator._service_principal_matches(statement.get("Principal"), self.service),
                iam_evaluator._action_matches("sts:AssumeRole", parsed.actions, parsed.not_actions),
                iam_evaluator._conditions_met(statement.get("Condition", {}), context),
            )
        )

    def _context(self, principal: str, action: str, resource: str) -> EvalContext:
        return EvalContext(
            principal, "AssumedRole", self.account, action, resource, self.region, service_context=self.says
        )


def look_at_roles() -> None:
    """From here on topic rules and API Gateway deliver to a queue only what the role that they were given may send."""
    _look_at_roles_of_rules()
    _look_at_roles_of_integrations()


def _look_at_roles_of_rules() -> None:
    """What is raised here the emulator logs, and hands to the rule's error action, as it does for a missing queue."""
    dispatch: Any = iot._dispatch_rule_sqs

    @functools.wraps(dispatch)
    def if_its_role_may(account: str, region: str, rule: str, spec: dict[str, Any], event: Any) -> None:
        owner, name = str(spec.get("queueUrl") or "/").rstrip("/").rsplit("/", 2)[-2:]
        says = {"aws:sourceaccount": account, "aws:sourcearn": f"arn:aws:iot:{region}:{account}:rule/{rule}"}
        queue = f"arn:aws:sqs:{region}:{owner}:{name}"
        role = spec.get("roleArn") or ""
        Delivery("iot.amazonaws.com", account, region, role, "sqs:SendMessage", queue, says).authorize()
        dispatch(account, region, rule, spec, event)

    iot._dispatch_rule_sqs = if_its_role_may


def _look_at_roles_of_integrations() -> None:
    """A role that cannot be taken on is a 500; what the queue refuses goes through the integration responses."""
    invoke: Any = apigateway_v1._invoke_sqs_v1

    @functools.wraps(invoke)
    async def if_its_role_may(integration: dict[str, Any], *call: Any, **more: Any) -> Any:
        account, region = more["owner_account_id"], more["owner_region"]
        owner, name = integration["uri"].rstrip("/").rsplit("/", 2)[-2:]
        queue, role = f"arn:aws:sqs:{region}:{owner}:{name}", integration.get("credentials") or ""
        try:
            Delivery("apigateway.amazonaws.com", account, region, role, "sqs:SendMessage", queue).authorize()
        except RoleNotAssumed as error:
            _log.warning("API Gateway: %s", error)
            return apigateway_v1._gw_error("API_CONFIGURATION_ERROR", "Internal server error")
        except ActionDenied as error:
            _log.warning("API Gateway: %s", error)
            return apigateway_v1._service_integration_response(integration, 403, "", "application/json", {})
        return await invoke(integration, *call, **more)

    apigateway_v1._invoke_sqs_v1 = if_its_role_may
