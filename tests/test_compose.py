"""deploy/compose.yaml, held against what it starts, without an engine; its schema is looked at by `make check`."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prefect.settings import Settings as PrefectSettings
from psycopg.conninfo import conninfo_to_dict

from fleet.settings import Settings, variable_name
from local_cloud.processes import HTTPExecutor, SimpleExecutor
from local_cloud.servers import make_room_for_prefect
from tests.conftest import free_port
from tests.flows.conftest import FINAL
from tests.flows.environment import environment_of

CHECKOUT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((CHECKOUT / "deploy" / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("flip-fleet-")}
BUILT = {service["image"]: service["build"] for service in SERVICES.values() if "build" in service}
IMAGES = (CHECKOUT / "deploy" / "Containerfile").read_text()
OF_THE_SYSTEM = {"HOME", "TMPDIR", "POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}
ENDS_WITHIN_S = 60.0


def read_by_prefect(model: Any, path: str = "PREFECT") -> Iterator[str]:
    """Every variable that this version of Prefect reads."""
    for name, field in model.model_fields.items():
        if hasattr(field.annotation, "model_fields"):
            yield from read_by_prefect(field.annotation, f"{path}_{name.upper()}")
        elif choices := getattr(field.validation_alias, "choices", None):
            yield from (choice.upper() for choice in choices if isinstance(choice, str))
        else:
            yield f"{path}_{name.upper()}"


def test_every_variable_is_one_that_somebody_reads() -> None:
    ours = {variable_name(field) for field in Settings.model_fields}
    given = {name for service in SERVICES.values() for name in service.get("environment", {})}
    assert given - ours - set(read_by_prefect(PrefectSettings)) - OF_THE_SYSTEM == set()


def test_what_is_published_is_for_this_machine_alone() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 2
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_no_secret_stands_in_it_and_a_missing_one_is_asked_for() -> None:
    secrets = {
        (name, value)
        for service in SERVICES.values()
        for name, value in service.get("environment", {}).items()
        if re.search("PASSWORD|AUTH_STRING|_URL|KEY|TOKEN", name)
        and "//prefect:4200" not in value
        and "//127.0.0.1" not in value
    }
    assert len(secrets) >= 6
    text = (CHECKOUT / "deploy" / "compose.yaml").read_text()
    for _, value in secrets:
        [variable] = re.findall(r"\$\{([A-Z_]+)", value)
        assert re.search(rf"\$\{{{variable}:\?set it in \.env", text), f"{variable} is not asked for"


def test_the_web_app_and_the_battery_get_nothing_of_the_workers() -> None:
    assert SERVICES["web"]["env_file"] == ["../web/.env"]
    assert "env_file" not in SERVICES["agent"] and SERVICES["prefect"]["env_file"] == []
    for name in ("web", "agent"):
        assert SERVICES[name]["environment"].keys() <= OF_THE_SYSTEM | {"FLEET_STATE_DIR"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_has_rights_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert name in OURS or service["user"] == "postgres", "the images of ours name their user themselves"


def test_each_image_is_built_by_one_service_or_pinned_to_a_version() -> None:
    """Two services that build the same image do it at the same time, and the one that is later fails."""
    builders = [service["image"] for service in SERVICES.values() if "build" in service]
    assert sorted(builders) == sorted({service["image"] for service in OURS.values()})
    for image, build in BUILT.items():
        assert image == f"flip-fleet-{build['target']}"
        assert re.search(rf"^FROM program AS {build['target']}$", IMAGES, re.MULTILINE)
        assert (CHECKOUT / "deploy" / build["context"] / build["dockerfile"]).exists()
    for name in SERVICES.keys() - OURS.keys():
        assert re.search(r":\d+\.\d+-\w+$", SERVICES[name]["image"])


def test_whoever_holds_no_password_of_a_service_does_not_reach_it() -> None:
    networks = {name: set(service["networks"]) for name, service in SERVICES.items()}
    speak = {frozenset((a, b)) for a in networks for b in networks if a < b and networks[a] & networks[b]}
    flows = {"prefect", "migrate", "deploy", "worker"}
    assert speak == {frozenset(("prefect", "postgres"))} | {frozenset((a, b)) for a in flows for b in flows if a < b}
    assert COMPOSE["networks"]["tables"] == {"internal": True}


def test_a_battery_has_its_own_folder_alone() -> None:
    [volume] = SERVICES["agent"]["volumes"]
    assert volume["volume"]["subpath"].startswith("devices/") and volume["target"] in SERVICES["agent"]["command"]


def test_what_is_to_be_kept_is_in_a_volume() -> None:
    """A plan that waits for its approval among it: a worker that is made anew goes on with it."""
    worker = SERVICES["worker"]["environment"]
    kept = ("FLEET_STATE_DIR", "FLEET_ARTIFACTS_DIR", "PREFECT_RESULTS_LOCAL_STORAGE_PATH")
    assert all(worker[name].startswith("/state") for name in kept) and SERVICES["worker"]["volumes"] == ["state:/state"]
    assert SERVICES["web"]["environment"]["FLEET_STATE_DIR"] == "/state"
    used = {str(volume).split(":")[0] for name in ("postgres", "worker", "web") for volume in SERVICES[name]["volumes"]}
    assert used == COMPOSE["volumes"].keys()


def test_what_a_service_waits_for_can_come_true() -> None:
    for service in SERVICES.values():
        for name, awaited in service.get("depends_on", {}).items():
            if awaited["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[name]
                # Until its database is made it answers on its socket, to nobody else.
                assert name != "postgres" or "--host" in SERVICES[name]["healthcheck"]["test"]
            else:
                assert SERVICES[name]["restart"] == "no", "it would never have ended"


def environment(service: str, replaced: Mapping[str, str], **filled_in: str) -> dict[str, str]:
    """What a container of the service would have, with names of services and folders that are here `replaced`."""
    values = {name: str(value) for name, value in SERVICES[service]["environment"].items()}
    for name, value in values.items():
        for variable in re.findall(r"\$\{([A-Z_]+)[^}]*\}", value):
            values[name] = re.sub(rf"\$\{{{variable}[^}}]*\}}", filled_in[variable], values[name])
        for old, new in replaced.items():
            values[name] = values[name].replace(old, new)
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "FLEET_CHECKOUT": str(CHECKOUT), **values}


def command(service: str, **replaced: str) -> list[str]:
    words = [replaced.get(word, word) for word in SERVICES[service]["command"]]
    return [sys.executable, *(["-m"] if words[0] == "prefect" else []), *words[words[0] == "python" :]]


def is_healthy(service: str, **replaced: str) -> bool:
    """What the engine would find, with ports and folders that are here `replaced`."""
    kind, program, *arguments = SERVICES[service]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    for old, new in replaced.items():
        arguments = [word.replace(old, new) for word in arguments]
    return subprocess.run([sys.executable, *arguments], capture_output=True, timeout=20).returncode == 0


def test_a_battery_that_writes_no_samples_is_not_healthy(tmp_path: Path) -> None:
    assert not is_healthy("agent", **{"/device": str(tmp_path)})
    # Samples are in the journal long before they are in the file.
    for name, age_s in (("spool.sqlite3", 1e6), ("spool.sqlite3-wal", 1)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    assert is_healthy("agent", **{"/device": str(tmp_path)})
    os.utime(tmp_path / "spool.sqlite3-wal", (time.time() - 120,) * 2)
    assert not is_healthy("agent", **{"/device": str(tmp_path)})


@pytest.mark.integration
def test_the_web_app_of_the_image_is_healthy(tmp_path: Path) -> None:
    port = str(free_port())
    [words] = re.findall(r'^CMD (\["streamlit".+\])$', IMAGES, re.MULTILINE)
    here = {"8501": port, "0.0.0.0": "127.0.0.1"}  # noqa: S104 - here it is loopback
    web = HTTPExecutor(
        [sys.executable, "-m", *(here.get(word, word) for word in json.loads(words))],
        url=f"http://127.0.0.1:{port}/_stcore/health",
        method="GET",
        envvars=environment("web", {"/scratch": str(tmp_path), "/state": str(tmp_path)}),
        timeout=ENDS_WITHIN_S,
        stdin=None,
        cwd=str(CHECKOUT),
    )
    assert not is_healthy("web", **{"8501": port})
    with web:
        assert is_healthy("web", **{"8501": port})


def ended(prefect: httpx.Client, run: str) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while (state := prefect.get(f"/flow_runs/{run}").json()["state"])["type"] not in FINAL:
        assert time.monotonic() < deadline, state
        time.sleep(0.3)
    return dict(state)


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_its_commands_in_their_order_bring_a_worker_that_runs_a_deployment(
    fleet_settings: Settings, tmp_path: Path
) -> None:
    """As the engine would start them: Prefect on PostgreSQL, what is to be migrated and deployed, the worker."""
    port, health = str(free_port()), str(free_port())
    url = fleet_settings.require_database_url()
    make_room_for_prefect(url)
    place = conninfo_to_dict(url)
    database = f"postgresql+asyncpg://{place['user']}@/{place['dbname']}?host={place['host']}"
    secrets = {
        "PREFECT_API_AUTH_STRING": "operator:of-a-test",
        "PREFECT_DATABASE_PASSWORD": "unused",
        "DATABASE_URL": url,
        "FLEET_FLIP_TOKEN": "of-a-test",
    }
    replaced = {
        "postgresql+asyncpg://prefect:unused@postgres:5432/prefect": database,
        "prefect:4200": f"127.0.0.1:{port}",
        "/scratch": str(tmp_path),
        "/state": str(tmp_path / "state"),
    }
    its_own = {"PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS_SEARCH_PATH": "prefect, extensions"}
    ours = environment_of(fleet_settings)
    with ExitStack() as stack, (tmp_path / "services.log").open("wb") as log:
        output = {"stdin": None, "stdout": log, "stderr": log, "cwd": str(tmp_path)}
        server = command("prefect", **{"4200": port, "0.0.0.0": "127.0.0.1"})  # noqa: S104 - here it is loopback
        stack.enter_context(
            HTTPExecutor(
                server,
                url=f"http://127.0.0.1:{port}/api/health",
                method="GET",
                envvars=environment("prefect", replaced, **secrets) | its_own,
                timeout=ENDS_WITHIN_S,
                **output,
            )
        )
        assert is_healthy("prefect", **{"4200": port})
        page = httpx.get(f"http://127.0.0.1:{port}/", headers={"Accept": "text/html"}, follow_redirects=True)
        assert page.is_success and (tmp_path / "ui").is_dir(), "on a read-only root there would be no UI"
        for once in ("migrate", "deploy"):
            subprocess.run(
                command(once),
                env={**ours, **environment(once, replaced, **secrets)},
                cwd=CHECKOUT,
                check=True,
                timeout=120,
                stdout=log,
                stderr=log,
            )
        worker = SimpleExecutor(
            command("worker"),
            timeout=ENDS_WITHIN_S,
            envvars={
                **ours,
                **environment("worker", replaced, **secrets),
                "PREFECT_WORKER_WEBSERVER_PORT": health,
                "PREFECT_WORKER_QUERY_SECONDS": "1",
            },
            **output | {"cwd": str(CHECKOUT)},
        )
        stack.enter_context(worker)
        assert httpx.get(f"http://127.0.0.1:{port}/api/admin/version").status_code == 401
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api", auth=("operator", "of-a-test")) as prefect:
            found = prefect.get("/deployments/name/maintain-storage/maintain-storage").raise_for_status().json()
            made = prefect.post(f"/deployments/{found['id']}/create_flow_run", json={}).raise_for_status().json()
            state = ended(prefect, made["id"])
        assert is_healthy("worker", **{"8080": health})
    assert state["type"] == "COMPLETED", state["message"]
