"""The web app's server for tests: the real `streamlit run`, on a port of its own, stopped by process id."""

import sys
from pathlib import Path

import httpx
from mirakuru import HTTPExecutor

from fleet.settings import Settings
from local_cloud.servers import log_file

APP = Path(__file__).parent.parent / "streamlit_app" / "app.py"


def web_server(settings: Settings, state: Path, logs: Path, port: int, app_credential: str) -> HTTPExecutor:
    """The app with what it may know: the public key, AWS access, its own credential. `state` keeps its sessions."""
    environment = {
        "FLEET_BASE_URL": f"http://127.0.0.1:{port}",
        "FLEET_STATE_DIR": str(state),
        "FLEET_APP_CREDENTIAL": app_credential,
        "SUPABASE_URL": settings.supabase_url,
        "SUPABASE_ANON_KEY": settings.supabase_anon_key.get_secret_value(),
        "AWS_REGION": settings.aws_region,
        "AWS_ENDPOINT_URL": settings.aws_endpoint_url,
        "AWS_ACCESS_KEY_ID": settings.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key.get_secret_value(),
        "DATABASE_URL": "",
    }
    return HTTPExecutor(
        [sys.executable, "-m", "streamlit", "run", str(APP), "--server.port", str(port)],
        url=f"http://127.0.0.1:{port}/_stcore/health",
        method="GET",
        timeout=60,
        request_timeout=5,
        envvars=environment,
        cwd=str(state),  # neither a .env nor the embedded cloud's file is read from here
        stdin=None,
        stdout=(log := log_file(logs / "web.log")),
        stderr=log,
    )


def wait_until_ready(url: str) -> None:
    """Raise unless the server answers."""
    httpx.get(url, timeout=10).raise_for_status()
