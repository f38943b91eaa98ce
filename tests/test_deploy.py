"""The workers' image, manifests and Terraform, held against what they are made of. Their schemas: `make check`."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.settings import Settings, variable_name

CHECKOUT = Path(__file__).parents[1]
KUBERNETES = CHECKOUT / "deploy" / "kubernetes"
WORKERS = (CHECKOUT / "terraform" / "workers" / "main.tf").read_text()
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
    for name in ("apply-infrastructure", "destroy-infrastructure", "provision-devices", "retire-devices"):
        assert re.search(rf"- name: {name}\n(    .*\n)*    work_pool: \*factory\n", text), name


def test_the_workers_settings_are_settings_of_ours() -> None:
    known = {variable_name(field) for field in Settings.model_fields}
    given = manifests("ConfigMap")[0]["data"].keys() | set(re.findall(r"^    ([A-Z_]+) += ", WORKERS, re.MULTILINE))
    assert "FLEET_INGESTION_WORKERS" in given
    assert given <= known


def needed_settings() -> set[str]:
    """The variables without which a flow fails, by the sentences that it fails with; Supabase's are the web app's."""
    code = [file.read_text() for file in (CHECKOUT / "fleet").rglob("*.py") if "supabase" not in file.parts]
    return {name for text in code for name in re.findall(r'NotConfigured\(\s*"([A-Z_]+) is not set', text)}


@pytest.mark.parametrize(
    "place", ["deploy/kubernetes/settings.yaml", "terraform/workers/variables.tf", "docs/workers.md"]
)
def test_what_flows_need_is_asked_for_wherever_workers_are_described(place: str) -> None:
    assert needed_settings() >= {"DATABASE_URL", "FLEET_FLIP_TOKEN", "FLEET_FLIP_WEBHOOK_SECRET"}
    text = (CHECKOUT / place).read_text()
    assert {name for name in needed_settings() if name not in text} == set()
    assert "FLEET_FLIP_BASE_URL" in text or place.endswith(".tf"), "Flip's sandbox is not for a fleet"


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


def test_the_image_is_made_of_files_that_are_there_and_checked_by_hash() -> None:
    image = (CHECKOUT / "deploy" / "Containerfile").read_text()
    copied = {
        source for line in re.findall(r"^COPY (?!--from)(.+)", image, re.MULTILINE) for source in line.split()[:-1]
    }
    assert {"fleet", "tasks", "flows", "requirements-worker.lock"} <= copied
    assert all((CHECKOUT / source).exists() for source in copied)
    sent = (CHECKOUT / "deploy" / "Containerfile.dockerignore").read_text()
    assert all(f"!{source}\n" in sent for source in copied)
    assert "--require-hashes" in image
    assert re.search(r"^USER 10001$", image, re.MULTILINE)


def test_the_image_has_the_versions_that_are_tested() -> None:
    pinned = {
        name: set(re.findall(r"^([a-z0-9._-]+==[^ ;\\]+)", (CHECKOUT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-worker.lock")
    }
    assert len(pinned["requirements-worker.lock"]) > 50
    assert pinned["requirements-worker.lock"] <= pinned["requirements.lock"]
