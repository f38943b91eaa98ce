"""Who may take on a job's role, by the place where the job runs: the trust as Terraform puts it together, evaluated.

Sources: ECS developer guide, "Task IAM role" (aws:SourceAccount); EC2 user guide, "IAM roles for Amazon EC2"; EKS user
guide, "Learn how EKS Pod Identity grants pods access" (request tags) and "Assign IAM roles to Kubernetes service
accounts" (sub and aud).
"""

import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.adapters.terraform.cli import find_program
from fleet.infrastructure.names import InfrastructureNames

TERRAFORM = Path(__file__).parents[2] / "terraform"
ACCOUNT, ISSUER = "111122223333", "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF"
PLACES = ("ecs_tasks", "ec2", "eks_pod_identity", "eks_irsa")
JOBS = ("provisioning", "retirement", "ingestion", "webhooks", "dispatch", "storage", "watching", "web", "worker")
ACCOUNTS = {"ingestion": "ingestion-worker", "worker": "worker"}
"""The service account of the job's pods, where it has pods."""


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
INGESTION_POD = Asks(("Service", "pods.eks.amazonaws.com"), says=pod(account="ingestion-worker"))
INGESTION_TOKEN = token("system:serviceaccount:flip-fleet:ingestion-worker")
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


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The values and names of terraform/ without its resources, so that Terraform needs neither provider nor AWS."""
    folder = tmp_path_factory.mktemp("trust")
    (folder / "documents").symlink_to(TERRAFORM / "documents")
    (folder / "variables.tf").write_text((TERRAFORM / "variables.tf").read_text())
    (folder / "roles.tf").write_text((TERRAFORM / "roles.tf").read_text().partition('\nresource "')[0])
    text = re.sub(r'^data "\w+" "current" \{\}$', "", (TERRAFORM / "locals.tf").read_text(), flags=re.MULTILINE)
    for asked, answer in (("caller_identity.current.account_id", ACCOUNT), ("partition.current.partition", "aws")):
        text = text.replace(f"data.aws_{asked}", json.dumps(answer))
    (folder / "locals.tf").write_text(text.replace("data.aws_region.current.name", '"eu-west-1"'))
    return folder


def said_by_terraform(root: Path, expression: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """What the expression comes to, or why Terraform does not take the variables."""
    given = {"project": "flip-fleet", "sender_email": "a@example.com", "job_principals": [OPERATOR.principal[1]]}
    (root / "terraform.tfvars.json").write_text(json.dumps(given | {"oidc_issuer": ISSUER} | variables))
    program = find_program()
    command = [program.executable, *program.prefix.split(), "console"]
    return subprocess.run(command, cwd=root, input=expression, capture_output=True, text=True, timeout=60, check=False)


def trusts(root: Path, *places: str, **variables: Any) -> dict[str, list[dict[str, Any]]]:
    """The statements of each job's trust."""
    said = said_by_terraform(root, "jsonencode(local.job_trusts)", job_places=places, **variables)
    assert said.returncode == 0, said.stderr
    documents = json.loads(json.loads(said.stdout))
    return {job: json.loads(document)["Statement"] for job, document in documents.items()}


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
    ("places", "everywhere", "by_account"),
    [
        ((), [OPERATOR], {}),
        (("ecs_tasks",), [OPERATOR, ECS], {}),
        (("ec2",), [OPERATOR, EC2], {}),
        (("eks_pod_identity",), [OPERATOR], {"ingestion": [INGESTION_POD], "worker": [POD]}),
        (("eks_irsa",), [OPERATOR], {"ingestion": [INGESTION_TOKEN], "worker": [token()]}),
        (
            PLACES,
            [OPERATOR, ECS, EC2],
            {"ingestion": [INGESTION_POD, INGESTION_TOKEN], "worker": [POD, token()]},
        ),
    ],
)
def test_a_jobs_role_is_for_the_places_that_are_named_and_on_eks_for_its_own_service_account(
    root: Path, places: tuple[str, ...], everywhere: list[Asks], by_account: dict[str, list[Asks]]
) -> None:
    found = trusts(root, *places)
    assert set(found) == set(JOBS)
    for job, trust in found.items():
        allowed = everywhere + by_account.get(job, [])
        for who in (OPERATOR, ECS, EC2, POD, INGESTION_POD, token(), INGESTION_TOKEN):
            assert may(who, trust) is (who in allowed), (job, who)
        assert {name for name, who in STRANGERS.items() if may(who, trust)} == set(), job


def test_a_pod_identity_may_tag_its_session(root: Path) -> None:
    assert may(Asks(POD.principal, "sts:TagSession", POD.says), trusts(root, "eks_pod_identity")["worker"])


def test_another_cluster_names_service_accounts_of_its_own(root: Path) -> None:
    found = trusts(root, "eks_irsa", kubernetes_service_accounts={"dispatch": ["worker", "second"]})
    second = token("system:serviceaccount:flip-fleet:second")
    assert (
        {job for job in JOBS if may(second, found[job])}
        == {"dispatch"}
        == {job for job in JOBS if may(token(), found[job])}
    )


@pytest.mark.parametrize(
    "accounts", [{"worker": ["*"]}, {"worker": ["work*"]}, {"worker": []}, {"rule": ["worker"]}, {"wrong": ["worker"]}]
)
def test_no_role_is_for_every_pod_and_none_but_a_jobs_is_for_pods(root: Path, accounts: dict[str, list[str]]) -> None:
    said = said_by_terraform(root, "var.project", kubernetes_service_accounts=accounts)
    assert "Invalid value for variable" in said.stderr


def test_every_place_that_may_be_named_has_its_document_and_every_document_may_be_named() -> None:
    documents = {file.stem.removeprefix("job_trust_") for file in (TERRAFORM / "documents").glob("job_trust_*.json")}
    declared = re.search(r"setsubtract\(var.job_places, \[(.*?)\]\)", (TERRAFORM / "variables.tf").read_text())
    assert declared
    assert documents == set(re.findall(r'"(\w+)"', declared[1])) == set(PLACES)


def test_the_service_accounts_of_the_manifests_have_the_roles_that_trust_them() -> None:
    manifest = yaml.safe_load_all((TERRAFORM.parent / "deploy/kubernetes/account.yaml").read_text())
    accounts = [each["metadata"] for each in manifest if each["kind"] == "ServiceAccount"]
    roles = InfrastructureNames("flip-fleet").roles
    assert {
        each["name"]: each["annotations"]["eks.amazonaws.com/role-arn"].rpartition("/")[2] for each in accounts
    } == {account: roles[job] for job, account in ACCOUNTS.items()}
