"""The stand-in as a process: what it knows survives a restart, and it listens on this machine only."""

from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from fleet.adapters.flip import FlipClient
from fleet.flip import accepted
from local_cloud import servers
from local_cloud.flip.__main__ import main
from local_cloud.flip.steering import Steering
from local_cloud.processes import HTTPExecutor
from tests.conftest import FLIP_ADMIN_TOKEN, FLIP_TOKEN, FLIP_WEBHOOK_SECRET, free_port
from tests.fleet.flip_examples import commissioning, plain_application, point


def server(folder: Path, port: int) -> HTTPExecutor:
    return servers.flip(folder / "flip.db", folder / "logs", port, FLIP_TOKEN, FLIP_ADMIN_TOKEN, FLIP_WEBHOOK_SECRET)


def test_everything_survives_a_restart_and_even_a_kill(folder: Path) -> None:
    port = free_port()
    client = FlipClient(f"http://127.0.0.1:{port}", SecretStr(FLIP_TOKEN))
    steering = Steering(f"http://127.0.0.1:{port}", FLIP_ADMIN_TOKEN)
    first = server(folder, port).start()
    client.commission(commissioning())
    client.send_telemetry([point()])
    client.enroll("site-1", plain_application())
    event = steering.create_event(duration_s=600, mode="DISCHARGE")
    token = client.site_token("site-1")
    steering.deliver_webhooks(url="http://127.0.0.1:9/", retry_delays_s=[60])
    first.kill()
    with client, server(folder, port):
        assert client.site("site-1").zip_code == "88801"
        assert client.site_token("site-1") == token
        assert [one.status for one in accepted(client.enrollments("site-1"))] == ["ACTIVE"]
        assert [one.id for one in accepted(client.commands())] == event["command_ids"]
        assert len(steering.received("telemetry")) == 1


def test_it_listens_on_loopback_only(folder: Path) -> None:
    port = free_port()
    with server(folder, port) as running:
        process = psutil.Process(running.process.pid)
        listening = [one.laddr for one in process.net_connections(kind="inet") if one.status == psutil.CONN_LISTEN]
    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", port)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--host", "0.0.0.0"], "listens on loopback only"),  # noqa: S104
        (["--host", "::"], "listens on loopback only"),
        (["--webhook-url", "http://example.com/"], "this machine only"),
    ],
)
def test_it_refuses_to_reach_beyond_this_machine(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    for name in ("TOKEN", "ADMIN_TOKEN"):
        monkeypatch.setenv(f"FLIP_STANDIN_{name}", "x")
    monkeypatch.setenv("FLIP_STANDIN_WEBHOOK_SECRET", FLIP_WEBHOOK_SECRET)
    with pytest.raises(SystemExit) as ended:
        main(["--port", "1", "--state", str(folder / "flip.db"), *arguments])
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_it_names_the_secrets_that_are_missing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--port", "1", "--state", str(folder / "flip.db")])
    assert "FLIP_STANDIN_TOKEN" in capsys.readouterr().err


def test_the_secrets_are_not_in_the_process_list(folder: Path) -> None:
    with server(folder, free_port()) as running:
        line = " ".join(psutil.Process(running.process.pid).cmdline())
    assert FLIP_TOKEN not in line
    assert FLIP_WEBHOOK_SECRET not in line
