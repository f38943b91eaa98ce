"""The fleet's AWS resources without Terraform, for a machine that has neither it nor its providers.

Made with boto3 from the same documents (`terraform/documents`) and names as the Terraform; a test holds the two
equal. Idempotent: what exists is brought to what it should be. Only `make demo` calls this.
"""

import base64
import hashlib
import hmac
import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fleet.adapters.aws import client, translated
from fleet.errors import NotConfigured
from fleet.infrastructure.documents import document_values, render_document
from fleet.infrastructure.names import InfrastructureNames
from fleet.infrastructure.outputs import Outputs, load_outputs, save_outputs
from fleet.settings import Settings
from local_cloud import archive
from local_cloud.webhook_route import WebhookRoute

RETENTION_S = 14 * 24 * 3600
MAX_MESSAGE_BYTES = 256 * 1024
OLDEST_MESSAGE_ALARM_S, OLDEST_WEBHOOK_ALARM_S = 900, 300
_TRUST = {
    "rule": "iot_trust.json",
    "iot_logging": "iot_trust.json",
    "webhook_gateway": "api_gateway_trust.json",
}
_POLICIES = {"worker": ("dispatch", "storage", "watching", "webhooks")}
"""The jobs of a role that is no single job's."""


def create_infrastructure(settings: Settings) -> Outputs:
    """Make or correct every resource, write `outputs.json` as the flow does, and return the outputs."""
    with translated("making the infrastructure"):
        outputs = _Builder(settings).build()
    save_outputs(settings.state_dir, outputs)
    return outputs


def smtp_password(secret_access_key: str, region: str) -> str:
    """SES's SMTP password of an access key. Source: Amazon SES developer guide, "Obtaining SMTP credentials"."""
    key = b"AWS4" + secret_access_key.encode()
    for message in ("11111111", region, "ses", "aws4_request", "SendRawEmail"):
        key = hmac.new(key, message.encode(), hashlib.sha256).digest()
    return base64.b64encode(b"\x04" + key).decode()


@dataclass(frozen=True)
class _Builder:
    settings: Settings

    @cached_property
    def names(self) -> InfrastructureNames:
        return InfrastructureNames(self.settings.project)

    @cached_property
    def account(self) -> str:
        return str(self.aws("sts").get_caller_identity()["Account"])

    @property
    def archive_bucket(self) -> str:
        return self.names.archive_bucket(self.account, self.settings.aws_region)

    def aws(self, service: str) -> Any:
        return client(self.settings, service)

    def document(self, name: str) -> str:
        """A document of the Terraform, filled in with what `terraform/locals.tf` gives it."""
        return render_document(self.text(name), self.values)

    def text(self, name: str) -> str:
        """A document of the Terraform as it is."""
        file = Path(self.settings.terraform_dir) / "documents" / name
        try:
            return file.read_text()
        except OSError as error:
            raise NotConfigured(f"{file} cannot be read: set FLEET_TERRAFORM_DIR to the folder terraform/.") from error

    @cached_property
    def values(self) -> dict[str, str]:
        return document_values(self.names, self.account, self.settings.aws_region, self.settings.sender_email)

    def build(self) -> Outputs:
        names = self.names
        queues = self.queues()
        telemetry, errors = queues[names.telemetry_queue], queues[names.rule_error_queue]
        roles = {job: self.role(job, name) for job, name in names.roles.items()}
        self.rule(telemetry, errors, roles["rule"])
        self.identity()
        self.aws("iot").set_v2_logging_options(
            roleArn=roles["iot_logging"], defaultLogLevel="WARN", disableAllLogs=False
        )
        topic = self.aws("sns").create_topic(Name=names.alarm_topic)["TopicArn"]
        if self.settings.alarm_email:
            self.aws("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint=self.settings.alarm_email)
        self.alarms(topic)
        user, password = self.mail()
        return Outputs(
            telemetry_queue_url=telemetry,
            telemetry_queue_arn=self.queue_arn(names.telemetry_queue),
            telemetry_dead_letter_queue_url=queues[names.telemetry_dead_letter_queue],
            rule_error_queue_url=errors,
            telemetry_rule_name=names.telemetry_rule,
            device_policy_name=names.device_policy,
            thing_type_name=names.thing_type,
            thing_group_name=names.thing_group,
            provisioning_role_arn=roles["provisioning"],
            ingestion_role_arn=roles["ingestion"],
            storage_role_arn=roles["storage"],
            archive_bucket=archive.create_bucket(self.settings, self.archive_bucket),
            web_role_arn=roles["web"],
            alarm_topic_arn=topic,
            smtp_host=f"email-smtp.{self.settings.aws_region}.amazonaws.com",
            smtp_username=user,
            smtp_password=password,
            webhook_url=self.webhook_route(roles["webhook_gateway"]),
            webhooks_role_arn=roles["webhooks"],
            dispatch_role_arn=roles["dispatch"],
            retirement_role_arn=roles["retirement"],
            watching_role_arn=roles["watching"],
        )

    def webhook_route(self, role: str) -> str:
        """The address for Flip's webhooks."""
        template = self.text("webhook_request.vtl").strip()
        gateway, region = self.aws("apigateway"), self.settings.aws_region
        return WebhookRoute(gateway, self.names, region, self.account, role, template).make()

    def queue_arn(self, name: str) -> str:
        return f"arn:aws:sqs:{self.settings.aws_region}:{self.account}:{name}"

    def queues(self) -> dict[str, str]:
        """The URL of each queue, by its name."""
        names, sqs = self.names, self.aws("sqs")
        attributes = {
            "MaximumMessageSize": str(MAX_MESSAGE_BYTES),
            "MessageRetentionPeriod": str(RETENTION_S),
            "ReceiveMessageWaitTimeSeconds": "20",
            "SqsManagedSseEnabled": "true",
        }
        wanted: dict[str, dict[str, str]] = {
            **self.with_dead_letters(names.telemetry_queue, names.telemetry_dead_letter_queue, visibility_s=120),
            **self.with_dead_letters(names.webhook_queue, names.webhook_dead_letter_queue, visibility_s=60),
            names.rule_error_queue: {},
        }
        urls = {}
        for name, extra in wanted.items():
            urls[name] = _existing_queue(sqs, name) or sqs.create_queue(QueueName=name)["QueueUrl"]
            sqs.set_queue_attributes(QueueUrl=urls[name], Attributes=attributes | extra)
        return urls

    def with_dead_letters(self, name: str, dead_letters: str, visibility_s: int) -> dict[str, dict[str, str]]:
        """The attributes of a queue and of the one for what was taken from it ten times, by their names."""
        allowed = {"redrivePermission": "byQueue", "sourceQueueArns": [self.queue_arn(name)]}
        redrive = {"deadLetterTargetArn": self.queue_arn(dead_letters), "maxReceiveCount": 10}
        return {
            dead_letters: {"RedriveAllowPolicy": json.dumps(allowed)},
            name: {"VisibilityTimeout": str(visibility_s), "RedrivePolicy": json.dumps(redrive)},
        }

    def role(self, job: str, name: str) -> str:
        iam, trust = self.aws("iam"), self.document(_TRUST.get(job, "job_trust.json"))
        try:
            arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        except iam.exceptions.EntityAlreadyExistsException:
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
            arn = iam.get_role(RoleName=name)["Role"]["Arn"]
        for policy in _POLICIES.get(job, (job,)):
            document = self.document(f"{policy}_policy.json")
            iam.put_role_policy(RoleName=name, PolicyName=name if policy == job else policy, PolicyDocument=document)
        return str(arn)

    def rule(self, telemetry: str, errors: str, role: str) -> None:
        iot, name = self.aws("iot"), self.names.telemetry_rule
        payload = {
            "sql": self.document("telemetry_rule.sql").strip(),
            "description": "Telemetry of the batteries to the queue that ingestion reads",
            "awsIotSqlVersion": "2016-03-23",
            "ruleDisabled": False,
            "actions": [{"sqs": {"queueUrl": telemetry, "roleArn": role, "useBase64": False}}],
            "errorAction": {"sqs": {"queueUrl": errors, "roleArn": role, "useBase64": False}},
        }
        try:
            iot.create_topic_rule(ruleName=name, topicRulePayload=payload)
        except iot.exceptions.ResourceAlreadyExistsException:
            iot.replace_topic_rule(ruleName=name, topicRulePayload=payload)

    def identity(self) -> None:
        """Device policy, thing type and thing group."""
        iot, names, policy = self.aws("iot"), self.names, self.document("device_policy.json")
        try:
            iot.create_policy(policyName=names.device_policy, policyDocument=policy)
        except iot.exceptions.ResourceAlreadyExistsException:
            if json.loads(iot.get_policy(policyName=names.device_policy)["policyDocument"]) != json.loads(policy):
                _replace_policy(iot, names.device_policy, policy)
        iot.create_thing_type(
            thingTypeName=names.thing_type,
            thingTypeProperties={"thingTypeDescription": "A home battery", "searchableAttributes": ["model"]},
        )
        properties = {
            "thingGroupDescription": f"Every battery of {names.project}",
            "attributePayload": {"attributes": {"project": names.project}},
        }
        try:
            iot.create_thing_group(thingGroupName=names.thing_group, thingGroupProperties=properties)
        except iot.exceptions.ResourceAlreadyExistsException:
            iot.update_thing_group(thingGroupName=names.thing_group, thingGroupProperties=properties)

    def alarms(self, topic: str) -> None:
        names, project = self.names, self.names.project
        age, visible = "ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"
        for name, queue, metric, threshold, description in [
            (f"{project}-telemetry-age", names.telemetry_queue, age, OLDEST_MESSAGE_ALARM_S,
             "Telemetry waits: ingestion does not keep up or does not run."),
            (f"{project}-telemetry-dead-letters", names.telemetry_dead_letter_queue, visible, 0,
             "Messages that ingestion took ten times and could not store."),
            (f"{project}-rule-errors", names.rule_error_queue, visible, 0,
             "Messages that the topic rule could not hand to the telemetry queue."),
            (f"{project}-webhooks-age", names.webhook_queue, age, OLDEST_WEBHOOK_ALARM_S,
             "Webhooks wait: process-webhooks does not keep up or does not run."),
            (f"{project}-webhooks-dead-letters", names.webhook_dead_letter_queue, visible, 0,
             "Webhooks that process-webhooks took ten times and could not store."),
        ]:  # fmt: skip
            self.aws("cloudwatch").put_metric_alarm(
                AlarmName=name,
                AlarmDescription=description,
                Namespace="AWS/SQS",
                MetricName=metric,
                Dimensions=[{"Name": "QueueName", "Value": queue}],
                Statistic="Maximum",
                Period=300,
                EvaluationPeriods=1,
                ComparisonOperator="GreaterThanThreshold",
                Threshold=float(threshold),
                TreatMissingData="notBreaching",
                AlarmActions=[topic],
                OKActions=[topic],
            )

    def mail(self) -> tuple[str, str]:
        """SES identity and SMTP user; its name and password."""
        iam, user = self.aws("iam"), self.names.smtp_user
        self.aws("ses").verify_email_identity(EmailAddress=self.settings.sender_email)
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_user(UserName=user)
        iam.put_user_policy(UserName=user, PolicyName=user, PolicyDocument=self.document("smtp_policy.json"))
        keys = [each["AccessKeyId"] for each in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]]
        if kept := self._kept_key(keys):
            return kept
        for key in keys:  # AWS tells a key's secret once: one that nobody kept is of no use
            iam.delete_access_key(UserName=user, AccessKeyId=key)
        made = iam.create_access_key(UserName=user)["AccessKey"]
        return made["AccessKeyId"], smtp_password(made["SecretAccessKey"], self.settings.aws_region)

    def _kept_key(self, keys: list[str]) -> tuple[str, str] | None:
        try:
            outputs = load_outputs(self.settings.state_dir)
        except NotConfigured:
            return None
        return (outputs.smtp_username, outputs.smtp_password) if outputs.smtp_username in keys else None


def _existing_queue(sqs: Any, name: str) -> str | None:
    try:
        return str(sqs.get_queue_url(QueueName=name)["QueueUrl"])
    except sqs.exceptions.QueueDoesNotExist:
        return None


def _replace_policy(iot: Any, name: str, document: str) -> None:
    """Make `document` the policy's default version; AWS keeps five, so the others go."""
    iot.create_policy_version(policyName=name, policyDocument=document, setAsDefault=True)
    for version in iot.list_policy_versions(policyName=name)["policyVersions"]:
        if not version["isDefaultVersion"]:
            iot.delete_policy_version(policyName=name, policyVersionId=version["versionId"])
