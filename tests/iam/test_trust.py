"""Who may take on a job's role, by the place where the job runs: the documents of the Terraform, evaluated.

Sources: ECS developer guide, "Task IAM role" (aws:SourceAccount); EC2 user guide, "IAM roles for Amazon EC2"; EKS user
guide, "Learn how EKS Pod Identity grants pods access" (request tags) and "Assign IAM roles to Kubernetes service
accounts" (sub and aud).
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.infrastructure.documents import render_document
from fleet.infrastructure.names import InfrastructureNames

TERRAFORM = Path(__file__).parents[2] / "terraform"
ACCOUNT, ISSUER = "111122223333", "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF"
VALUES = {
    "account": ACCOUNT,
    "partition": "aws",
    "job_principals": json.dumps([f"arn:aws:iam::{ACCOUNT}:role/operator"]),
    "kubernetes_namespace": "flip-fleet",
    "kubernetes_service_accounts": json.dumps(["ingestion-worker", "worker"]),
    "kubernetes_subjects": json.dumps(
        [f"system:serviceaccount:flip-fleet:{name}" for name in ("ingestion-worker", "worker")]
    ),
    "oidc_issuer": ISSUER,
}
PLACES = ("ecs_tasks", "ec2", "eks_pod_identity", "eks_irsa")


@dataclass(frozen=True)
class Asks:
    """Somebody who asks for a role: who by kind and name, how, and what AWS says of the request."""

    principal: tuple[str, str]
    action: str = "sts:AssumeRole"
    says: dict[str, str] = field(default_factory=dict)


def pod(namespace: str = "flip-fleet", account: str = "worker") -> dict[str, str]:
    return {
        "aws:RequestTag/kubernetes-namespace": namespace,
        "aws:RequestTag/kubernetes-service-account": account,
    }


def token(subject: str = "system:serviceaccount:flip-fleet:worker", audience: str = "sts.amazonaws.com") -> Asks:
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
    says = {f"{ISSUER}:sub": subject, f"{ISSUER}:aud": audience}
    return Asks(("Federated", provider), "sts:AssumeRoleWithWebIdentity", says)


OPERATOR = Asks(("AWS", f"arn:aws:iam::{ACCOUNT}:role/operator"))
ECS = Asks(("Service", "ecs-tasks.amazonaws.com"), says={"aws:SourceAccount": ACCOUNT})
EC2 = Asks(("Service", "ec2.amazonaws.com"))
POD = Asks(("Service", "pods.eks.amazonaws.com"), says=pod())
STRANGERS = {
    "another role": Asks(("AWS", f"arn:aws:iam::{ACCOUNT}:role/somebody")),
    "ECS for another account": Asks(("Service", "ecs-tasks.amazonaws.com"), says={"aws:SourceAccount": "999988887777"}),
    "ECS for nobody": Asks(("Service", "ecs-tasks.amazonaws.com")),
    "Lambda": Asks(("Service", "lambda.amazonaws.com"), says={"aws:SourceAccount": ACCOUNT}),
    "a pod of another namespace": Asks(("Service", "pods.eks.amazonaws.com"), says=pod(namespace="default")),
    "a pod of another account": Asks(("Service", "pods.eks.amazonaws.com"), says=pod(account="default")),
    "a token of another account": token("system:serviceaccount:flip-fleet:default"),
    "a token of another namespace": token("system:serviceaccount:default:worker"),
    "a token for somebody else": token(audience="vault"),
    "a token's bearer by another call": Asks(token().principal, says=token().says),
}


def statements(*places: str) -> list[dict[str, Any]]:
    """The trust of a job's role, as terraform/roles.tf puts it together."""
    names = ["job_trust", *(f"job_trust_{place}" for place in sorted(places))]
    texts = [render_document((TERRAFORM / "documents" / f"{name}.json").read_text(), VALUES) for name in names]
    return [each for text in texts for each in json.loads(text)["Statement"]]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def may(who: Asks, trust: list[dict[str, Any]]) -> bool:
    """Whether one of the statements lets them: all are Allow, with StringEquals alone."""
    kind, name = who.principal
    for each in trust:
        assert each["Effect"] == "Allow" and set(each.get("Condition", {})) <= {"StringEquals"}
        wanted = each.get("Condition", {}).get("StringEquals", {})
        if (
            name in listed(each["Principal"].get(kind, []))
            and who.action in listed(each["Action"])
            and all(who.says.get(key) in listed(value) for key, value in wanted.items())
        ):
            return True
    return False


@pytest.mark.parametrize(
    ("places", "allowed"),
    [
        ((), [OPERATOR]),
        (("ecs_tasks",), [OPERATOR, ECS]),
        (("ec2",), [OPERATOR, EC2]),
        (("eks_pod_identity",), [OPERATOR, POD]),
        (("eks_irsa",), [OPERATOR, token()]),
        (PLACES, [OPERATOR, ECS, EC2, POD, token()]),
    ],
)
def test_a_jobs_role_is_for_the_places_that_are_named_and_for_nobody_else(
    places: tuple[str, ...], allowed: list[Asks]
) -> None:
    trust = statements(*places)
    for who in (OPERATOR, ECS, EC2, POD, token()):
        assert may(who, trust) is (who in allowed), who
    assert {name for name, who in STRANGERS.items() if may(who, trust)} == set()


def test_a_pod_identity_may_tag_its_session() -> None:
    assert may(Asks(POD.principal, "sts:TagSession", POD.says), statements("eks_pod_identity"))


def test_every_place_that_may_be_named_has_its_document_and_every_document_may_be_named() -> None:
    documents = {file.stem.removeprefix("job_trust_") for file in (TERRAFORM / "documents").glob("job_trust_*.json")}
    declared = re.search(r"setsubtract\(var.job_places, \[(.*?)\]\)", (TERRAFORM / "variables.tf").read_text())
    assert declared
    assert documents == set(re.findall(r'"(\w+)"', declared[1])) == set(PLACES)


def test_the_service_accounts_of_the_manifests_are_those_that_may_and_each_has_a_role_that_terraform_makes() -> None:
    manifest = yaml.safe_load_all((TERRAFORM.parent / "deploy/kubernetes/account.yaml").read_text())
    accounts = [each for each in manifest if each["kind"] == "ServiceAccount"]
    assert {each["metadata"]["name"] for each in accounts} == set(json.loads(VALUES["kubernetes_service_accounts"]))
    roles = InfrastructureNames("flip-fleet").roles
    for each in accounts:
        role = each["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].rpartition("/")[2]
        assert role in (roles["ingestion"], roles["worker"])
