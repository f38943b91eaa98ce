"""What is secret stands in no log, result, parameter, artifact, state, table or command line, also where runs fail."""

import json
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from psycopg import sql

from fleet.devices import KEY_FILE, write_private_key
from fleet.infrastructure.outputs import load_outputs
from fleet.settings import Settings
from local_cloud.flip.steering import Steering
from local_cloud.webhook_route import on_this_machine
from tests.conftest import FLIP_ADMIN_TOKEN, FLIP_TOKEN, FLIP_WEBHOOK_SECRET, SECRET_KEY
from tests.flows.conftest import FINAL, Serve
from tests.flows.environment import environment_of
from tests.homeowner_world import HomeownerWorld
from tests.supabase_project import new_address

pytestmark = pytest.mark.integration
PASSWORD = "a-password-of-the-database-7Qx"
FLOWS = {
    "flows.provision_devices:provision_devices": {"names": ["secret-1", "secret-2", "broken"], "devices_per_second": 0},
    "flows.ingest_telemetry:ingest_telemetry": {"time_budget_s": 0, "wait_s": 0},
    "flows.process_webhooks:process_webhooks": {"time_budget_s": 0, "wait_s": 1, "overtime_s": 0},
    "flows.replay_quarantine:replay_quarantine": {"source": "dead-letters"},
    "flows.dispatch_commands:dispatch_commands": {"time_budget_s": 0, "overtime_s": 0},
    "flows.reconcile_flip:reconcile_flip": {},
    "flows.rotate_certificates:rotate_certificates": {"names": ["secret-1", "nobody"], "wait_s": 0},
    "flows.revoke_devices:revoke_devices": {"names": ["secret-1", "nobody"]},
    "flows.decommission_devices:decommission_devices": {"names": ["secret-2", "nobody"]},
}  # fmt: skip


def lines_of_key(pem: str) -> list[str]:
    """What of a private key is secret."""
    return [line for line in pem.splitlines() if line and not line.startswith("-")]


def texts_of(database_url: str, *schemas: str) -> Iterator[tuple[str, str]]:
    """Every row of every table of these schemas as text, by table."""
    with psycopg.connect(database_url) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_schema = ANY (%s) AND table_type = 'BASE TABLE'",
            [list(schemas)],
        ).fetchall()
        assert len(tables) > 10
        for table in tables:
            rows = connection.execute(sql.SQL("SELECT rows::text FROM {} AS rows").format(sql.Identifier(*table)))
            yield ".".join(table), "\n".join(row[0] for row in rows)


def files_below(folder: Path) -> Iterator[tuple[str, str]]:
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            yield str(file), file.read_bytes().decode("latin-1")


def found_in(places: Iterator[tuple[str, str]], secrets: dict[str, str]) -> list[tuple[str, str]]:
    return [(place, name) for place, text in places for name, secret in secrets.items() if secret in text]


def test_runs_leave_no_secret_behind_whether_they_end_well_or_fail(
    fleet_settings: Settings,
    prefect_server: Any,
    run_here: Serve,
    flip_url: str,
    flip_server: Steering,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    environment = environment_of(fleet_settings) | {
        "FLEET_FLIP_BASE_URL": flip_url, "FLEET_FLIP_TOKEN": FLIP_TOKEN,
        "FLEET_FLIP_WEBHOOK_SECRET": FLIP_WEBHOOK_SECRET,
    }  # fmt: skip
    broken = fleet_settings.artifacts_dir / "broken" / KEY_FILE
    broken.parent.mkdir(parents=True)
    half_of_a_key = _half_of_a_key(broken)
    forged = {"webhook-id": "msg_1", "webhook-timestamp": str(int(datetime.now(UTC).timestamp()))}
    route = on_this_machine(load_outputs(fleet_settings.state_dir).webhook_url, fleet_settings.aws_endpoint_url)
    httpx.post(route, json={}, headers=forged | {"webhook-signature": "v1,Zm9yZ2VkU2lnbmF0dXJl"})

    run_here(" ".join(FLOWS), environment)
    ended = {flow: run(prefect_server, flow, parameters) for flow, parameters in FLOWS.items()}
    keys = [(fleet_settings.artifacts_dir / "secret-1" / KEY_FILE).read_text()]
    keys += [file.read_text() for file in fleet_settings.artifacts_dir.glob(f"secret-2.retired-*/{KEY_FILE}")]
    unreachable = f"postgresql://fleet:{PASSWORD}@127.0.0.1:1/fleet"
    run_here(" ".join(FLOWS), environment | {"DATABASE_URL": unreachable})
    ended |= {f"{flow} without a database": run(prefect_server, flow, FLOWS[flow]) for flow in list(FLOWS)[1:2]}
    wrong = environment | {"AWS_SECRET_ACCESS_KEY": "wrong-secret-key-9Zt", "FLEET_FLIP_TOKEN": "wrong-token-5Kd"}
    run_here(" ".join(FLOWS), wrong)
    ended |= {f"{flow} with wrong keys": run(prefect_server, flow, FLOWS[flow]) for flow in list(FLOWS)[:3]}
    assert "COMPLETED" in ended.values() and "FAILED" in ended.values(), ended

    secrets = {
        "the AWS secret": SECRET_KEY, "Flip's token": FLIP_TOKEN, "the webhooks' secret": FLIP_WEBHOOK_SECRET[6:],
        "the database's password": PASSWORD, "a wrong AWS secret": "wrong-secret-key-9Zt",
        "a wrong token": "wrong-token-5Kd", "a forged signature": "Zm9yZ2VkU2lnbmF0dXJl",
        "a broken key": half_of_a_key,
        **{f"line {at} of a key": line for at, line in enumerate(lines_of_key("\n".join(keys)))},
    }  # fmt: skip
    assert len(keys) == 1, "that of the battery that is in service; decommissioning deletes the other"
    said = capfd.readouterr()
    assert found_in(texts_of(prefect_server._database_url, "prefect"), secrets) == []
    assert found_in(texts_of(fleet_settings.require_database_url(), "fleet"), secrets) == []
    assert found_in(files_below(prefect_server.home), secrets) == []
    assert found_in(iter([("log", caplog.text), ("output", said.out + said.err)]), secrets) == []


def _half_of_a_key(file: Path) -> str:
    """Write the file of a key that was cut off in the middle; what is left of the secret in it."""
    write_private_key(file)
    first, second = file.read_text().splitlines()[:2]
    file.write_text(f"{first}\n{second}\n")
    return second[-16:]  # before it is what all P-256 keys begin with


def run(prefect_server: Any, flow: str, parameters: dict[str, Any]) -> str:
    """What became of a run, good or bad."""
    run_id = prefect_server.run(f"{flow.partition(':')[2].replace('_', '-')}/test", **parameters)
    while (kind := str(prefect_server.state(run_id)["type"])) not in FINAL:
        time.sleep(0.1)
    return kind


def test_the_web_app_and_the_stand_ins_log_no_token_code_or_link(running_app: HomeownerWorld) -> None:
    world, address = running_app, new_address()
    client = world.project.client()
    client.auth.sign_in_with_otp({"email": address})
    mail = world.project.mails(address)[-1]["BodyHtml"]
    session = world.project.signed_in(new_address()).auth.get_session()
    link = world.link(world.provision())
    httpx.get(link)
    httpx.get(link.replace("token=", "token=x"))
    assert session
    for token in (session.access_token, session.access_token[:-3] + "abc"):
        headers = {"Authorization": f"Bearer {token}"}
        world.project.request("POST", "/rest/v1/rpc/save_site", json={"p_site": "x"}, headers=headers)
        world.project.request("PUT", "/auth/v1/user", content=b"{", headers=headers)
    codes = re.findall(r">(\d{6})<", mail)
    (hashed,) = set(re.findall(r"token_hash=([0-9a-f]+)", mail))
    secrets = {
        "an access token": session.access_token, "a refresh token": session.refresh_token, "a link's hash": hashed,
        "a registration link": link.partition("token=")[2], "the app's credential": world.app_credential,
        "the service key": world.project.service_role_key.get_secret_value(), "the AWS secret": SECRET_KEY,
        **{f"code {number}": code for number, code in enumerate(codes)},
    }  # fmt: skip
    assert codes
    logs = world.settings.artifacts_dir.parent / "logs"
    assert {"web.log", "supabase.log"} <= {file.name for file in logs.iterdir()}
    assert found_in(files_below(logs), secrets) == []


def test_no_secret_is_in_a_list_of_processes(
    running_app: HomeownerWorld, flip_url: str, prefect_server: Any, aws_settings: Settings
) -> None:
    """Any user of the machine reads the command lines; the environments are the owner's."""
    keys = running_app.project.keys
    assert keys
    secrets = {
        "the AWS secret": SECRET_KEY, "Flip's token": FLIP_TOKEN, "the admin's token": FLIP_ADMIN_TOKEN,
        "the webhooks' secret": FLIP_WEBHOOK_SECRET, "the app's credential": running_app.app_credential,
        "the service key": running_app.project.service_role_key.get_secret_value(),
        "the keys": json.dumps(vars(keys), default=str),
    }  # fmt: skip
    processes = psutil.Process(os.getpid()).children(recursive=True)
    lines = [(str(process.pid), " ".join(process.cmdline())) for process in processes]
    assert {name for name in ("streamlit", "local_cloud.supabase", "local_cloud.flip", "local_cloud.aws", "prefect")
            if any(name in line for _, line in lines)} == {
        "streamlit", "local_cloud.supabase", "local_cloud.flip", "local_cloud.aws", "prefect"}  # fmt: skip
    assert found_in(iter(lines), secrets) == []
