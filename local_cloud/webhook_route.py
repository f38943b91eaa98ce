"""The webhooks' route without Terraform, and its address on this machine: what `terraform/webhooks.tf` describes."""

import json
import re
from dataclasses import dataclass
from typing import Any

from fleet.infrastructure.names import InfrastructureNames

STAGE, PATH = "live", "webhooks"
PER_SECOND, BURST = 100, 500
_ADDRESS = re.compile(r"https://([^./]+)\.execute-api\.[^/]+/([^/]+)/(.+)")
_CHARSETS = ("", "; charset=utf-8", ";charset=utf-8", "; charset=UTF-8", ";charset=UTF-8")
_CONTENT_TYPES = [kind + charset for kind in ("application/json", "text/plain") for charset in _CHARSETS]
_ANSWERS = {
    "200": ("200", {}),
    "400": ("400", {"message": "The queue refused it: too large, or not text."}),
    "502": ("", {"message": "The queue did not take it: send it again."}),
}


def on_this_machine(webhook_url: str, aws_endpoint_url: str) -> str:
    """The emulator's address for a route that AWS would serve at `webhook_url`; another address stays as it is."""
    route = _ADDRESS.fullmatch(webhook_url)
    if route is None:
        return webhook_url
    api, stage, path = route.groups()
    return f"{aws_endpoint_url}/restapis/{api}/{stage}/_user_request_/{path}"


@dataclass(frozen=True)
class WebhookRoute:
    """Makes or corrects the route. `gateway` is boto3's API Gateway client, `role` what hands over to the queue."""

    gateway: Any
    names: InfrastructureNames
    region: str
    account: str
    role: str
    template: str

    def make(self) -> str:
        """The address to register with Flip."""
        api, root = self._api()
        resource = self._resource(api, root)
        self._method(api, resource)
        self._answers(api, resource)
        self._deploy(api)
        return f"https://{api}.execute-api.{self.region}.amazonaws.com/{STAGE}/{PATH}"

    def _api(self) -> tuple[str, str]:
        """Its id and that of its root."""
        known = {each["name"]: each for each in self.gateway.get_rest_apis(limit=500)["items"]}
        api = known.get(self.names.webhook_api) or self.gateway.create_rest_api(
            name=self.names.webhook_api,
            description="Takes webhooks from Flip for a queue",
            endpointConfiguration={"types": ["REGIONAL"]},
        )
        resources = self.gateway.get_resources(restApiId=api["id"])["items"]
        return api["id"], next(each["id"] for each in resources if each["path"] == "/")

    def _resource(self, api: str, root: str) -> str:
        known = {each["path"]: each["id"] for each in self.gateway.get_resources(restApiId=api)["items"]}
        if found := known.get(f"/{PATH}"):
            return str(found)
        return str(self.gateway.create_resource(restApiId=api, parentId=root, pathPart=PATH)["id"])

    def _method(self, api: str, resource: str) -> None:
        method = {"restApiId": api, "resourceId": resource, "httpMethod": "POST"}
        self.gateway.put_method(**method, authorizationType="NONE")
        self.gateway.put_integration(
            **method,
            type="AWS",
            integrationHttpMethod="POST",
            uri=f"arn:aws:apigateway:{self.region}:sqs:path/{self.account}/{self.names.webhook_queue}",
            credentials=self.role,
            passthroughBehavior="NEVER",
            requestParameters={"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"},
            requestTemplates=dict.fromkeys(_CONTENT_TYPES, self.template),
            timeoutInMillis=4500,
        )

    def _answers(self, api: str, resource: str) -> None:
        for status, (pattern, body) in _ANSWERS.items():
            answer = {"restApiId": api, "resourceId": resource, "httpMethod": "POST", "statusCode": status}
            self.gateway.put_method_response(**answer, responseModels={"application/json": "Empty"})
            templates = {"application/json": json.dumps(body, separators=(",", ":"))}
            self.gateway.put_integration_response(**answer, selectionPattern=pattern, responseTemplates=templates)

    def _deploy(self, api: str) -> None:
        """A new snapshot of the route for the stage, and no older ones."""
        deployment = self.gateway.create_deployment(restApiId=api, stageName=STAGE)["id"]
        limits = {"rateLimit": PER_SECOND, "burstLimit": BURST}
        patches = [
            {"op": "replace", "path": f"/*/*/throttling/{name}", "value": str(value)} for name, value in limits.items()
        ]
        self.gateway.update_stage(restApiId=api, stageName=STAGE, patchOperations=patches)
        for each in self.gateway.get_deployments(restApiId=api)["items"]:
            if each["id"] != deployment:
                self.gateway.delete_deployment(restApiId=api, deploymentId=each["id"])
