"""The workers' manifests and Terraform, held against what they are made of. Their schemas: `make check`."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prefect import Task
from pydantic import SecretStr

from fleet.settings import Settings, variable_name
from tasks.jobs import Job

CHECKOUT = Path(__file__).parents[1]
KUBERNETES = CHECKOUT / "deploy" / "kubernetes"
WORKERS = (CHECKOUT / "terraform" / "workers" / "main.tf").read_text()
ROLES = (CHECKOUT / "terraform" / "roles.tf").read_text()
PREFECT = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text())
POOLS = {(pool["name"], pool["work_queue_name"]) for pool in PREFECT["definitions"]["pools"].values()}


def manifests(kind: str) -> list[dict[str, Any]]:
    documents = [one for file in sorted(KUBERNETES.glob("*.yaml")) for one in yaml.safe_load_all(file.read_text())]
    return [document for document in documents if document["kind"] == kind]


def container(deployment: dict[str, Any]) -> dict[str, Any]:
    return dict(deployment["spec"]["template"]["spec"]["containers"][0])


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_every_pool_of_prefect_yaml_has_its_workers() -> None:
    on_kubernetes = {
        (option(words, "--pool"), option(words, "--work-queue"))
        for words in (container(one)["command"] + container(one)["args"] for one in manifests("Deployment"))
    }
    on_ecs = {("fleet-ecs", queue) for queue in re.findall(r"^    (\w+) += \{ count =", WORKERS, re.MULTILINE)}
    assert '"--pool", "fleet-ecs"' in WORKERS
    assert on_kubernetes | on_ecs | {("fleet", "default"), ("fleet", "ingestion")} == POOLS


def test_what_needs_files_of_a_machine_stays_in_its_pool() -> None:
    text = (CHECKOUT / "prefect.yaml").read_text()
    for name in (
        "apply-infrastructure",
        "destroy-infrastructure",
        "provision-devices",
        "decommission-devices",
        "revoke-devices",
    ):
        assert re.search(rf"- name: {name}\n(    .*\n)*    work_pool: \*factory\n", text), name


def test_the_workers_settings_are_settings_of_ours() -> None:
    known = {variable_name(field) for field in Settings.model_fields}
    given = manifests("ConfigMap")[0]["data"].keys() | set(re.findall(r"^    ([A-Z_]+) += ", WORKERS, re.MULTILINE))
    assert "FLEET_INGESTION_WORKERS" in given
    assert given <= known


NOT_A_WORKERS = {
    "AWS_ACCESS_KEY_ID": "AWS hands a worker its role",
    "AWS_ENDPOINT_URL": "empty is AWS itself",
    "FLEET_COMMAND_KEY_SUCCESSION": "empty until a key has a successor",
    "FLEET_COMMAND_PUBLIC_KEY": "of the pool that provisions",
    "FLEET_IOT_CA_FILE": "the same",
    "FLEET_TERRAFORM_DIR": "of the pool that applies the Terraform",
    "FLEET_TERRAFORM_MIRROR": "the same",
    "FLEET_TRACES_URL": "off unless somebody wants traces",
    "SUPABASE_ANON_KEY": "the web app's",
    "SUPABASE_URL": "the web app's",
}
"""What is named where a flow or the web app is not configured, and is not for workers on ECS and Kubernetes."""


def named_where_not_configured() -> set[str]:
    """The settings that stand in a sentence of `NotConfigured`, in whatever words."""
    known = {variable_name(field) for field in Settings.model_fields}
    files = [file for folder in ("fleet", "tasks", "flows") for file in (CHECKOUT / folder).rglob("*.py")]
    calls = [each for file in files for each in ast.walk(ast.parse(file.read_text())) if isinstance(each, ast.Call)]
    raised = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "NotConfigured"]
    words = [part.value for call in raised for part in ast.walk(call) if isinstance(part, ast.Constant)]
    return {name for text in words if isinstance(text, str) for name in re.findall(r"[A-Z][A-Z_]+", text)} & known


NEEDED = named_where_not_configured() - NOT_A_WORKERS.keys()
SECRET = {variable_name(name) for name, field in Settings.model_fields.items() if field.annotation is SecretStr}


def section(page: str, title: str) -> str:
    return (CHECKOUT / page).read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]


def block(start: str, end: str) -> str:
    """What stands in the variables of the workers on ECS between the two."""
    return (CHECKOUT / "terraform/workers/variables.tf").read_text().split(start)[1].split(end)[0]


def test_what_workers_need_is_known() -> None:
    assert named_where_not_configured() >= NOT_A_WORKERS.keys(), "no flow asks for that any more"
    assert {"DATABASE_URL", "FLEET_COMMAND_KEY", "FLEET_FLIP_TOKEN", "FLEET_FLIP_WEBHOOK_SECRET"} == NEEDED & SECRET
    assert {"AWS_REGION", "FLEET_FLIP_BASE_URL"} == NEEDED - SECRET


@pytest.mark.parametrize(
    ("place", "needed"),
    [
        ((KUBERNETES / "settings.yaml").read_text(), NEEDED),
        (section("docs/workers.md", "Kubernetes"), NEEDED & SECRET),
        (section("docs/workers.md", "ECS"), NEEDED & SECRET),
        (block('"secret_arns" {', "validation {"), NEEDED & SECRET),
        (block('"secret_arns" {', "error_message").split("condition")[1], NEEDED & SECRET),
        (block('"settings" {', "}") + WORKERS, NEEDED - SECRET),
    ],
    ids=["manifest", "page-kubernetes", "page-ecs", "ecs-secrets", "ecs-refuses-without", "ecs-settings"],
)
def test_what_flows_need_is_asked_for_wherever_workers_are_described(place: str, needed: set[str]) -> None:
    assert {name for name in needed if not re.search(rf"\b{name}\b", place)} == set()


def jobs_of(queue: str) -> set[str]:
    """The jobs that the flows of that queue work as, by the tasks that they call."""
    ours = PREFECT["definitions"][{"default": "pool", "ingestion": "ingestion"}[queue]]
    flows = [one["entrypoint"] for one in PREFECT["deployments"] if one["work_pool"] is ours]
    modules = [
        import_module(file.removesuffix(".py").replace("/", ".")) for file, _ in (one.split(":") for one in flows)
    ]
    tasks = [each for module in modules for each in vars(module).values() if isinstance(each, Task)]
    return {job for each in tasks for job in re.findall(r'settings_of\("(\w+)"\)', inspect.getsource(each.fn))}


def jobs_on_ecs(queue: str) -> set[str]:
    found = re.search(rf"^    {queue} += \{{.*documents = \[(.*)\]", WORKERS, re.MULTILINE)
    assert found
    return set(re.findall(r"(\w+)_policy\.json", found[1]))


def jobs_on_kubernetes(queue: str) -> set[str]:
    [deployment] = [one for one in manifests("Deployment") if option(container(one)["args"], "--work-queue") == queue]
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    [metadata] = [one["metadata"] for one in manifests("ServiceAccount") if one["metadata"]["name"] == account]
    role = metadata["annotations"]["eks.amazonaws.com/role-arn"].rpartition("/flip-fleet-")[2]
    several = re.search(r'"aws_iam_role_policy" "worker" \{\n  for_each = toset\(\[(.*)\]\)', ROLES)
    assert several
    return set(re.findall(r"\w+", several[1])) if role == "worker" else {role}


@pytest.mark.parametrize("queue", ["default", "ingestion"])
def test_a_worker_may_do_what_the_flows_of_its_queue_ask_for_and_nothing_else(queue: str) -> None:
    assert jobs_of(queue)
    assert jobs_on_ecs(queue) == jobs_on_kubernetes(queue) == jobs_of(queue)


def test_every_job_is_of_one_queue_or_of_the_machine_with_the_factory() -> None:
    found = [*jobs_of("default"), *jobs_of("ingestion"), "provisioning", "retirement"]
    assert sorted(found) == sorted(get_args(Job))


def test_as_many_ingestion_workers_run_on_kubernetes_as_may_be_at_work() -> None:
    replicas = {one["metadata"]["name"]: one["spec"]["replicas"] for one in manifests("Deployment")}
    assert manifests("ConfigMap")[0]["data"]["FLEET_INGESTION_WORKERS"] == str(replicas["ingestion-worker"])


def test_no_secret_is_kept_in_the_manifests() -> None:
    assert not manifests("Secret")
    for deployment in manifests("Deployment"):
        assert {"secretRef": {"name": "flip-fleet"}} in container(deployment)["envFrom"]


@pytest.mark.parametrize("deployment", manifests("Deployment"), ids=lambda one: one["metadata"]["name"])
def test_a_worker_runs_with_no_rights_that_it_does_not_need(deployment: dict[str, Any]) -> None:
    rights = container(deployment)["securityContext"]
    assert rights["readOnlyRootFilesystem"]
    assert not rights["allowPrivilegeEscalation"]
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert deployment["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"]
    assert not deployment["spec"]["template"]["spec"]["automountServiceAccountToken"]
