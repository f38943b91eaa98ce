"""What a process that takes runs does first: wait until Prefect is there."""

import sys
import time

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import PrefectHTTPStatusError

_WITHIN_S = 60.0
"""A server that was started with us, or restarts, is there by then."""


def wait_for_prefect(within_s: float = _WITHIN_S) -> None:
    """Return once Prefect answers; end this process with a sentence where it does not, or lets us not in."""
    deadline = time.monotonic() + within_s
    with get_client(sync_client=True) as client:
        while not _answers(client):
            if time.monotonic() > deadline:
                sys.exit(f"{client.api_url} does not answer: start the Prefect server, or correct PREFECT_API_URL.")
            time.sleep(0.5)


def _answers(client: SyncPrefectClient) -> bool:
    try:
        client.read_deployments(limit=1)  # not its health, which it tells everybody
    except PrefectHTTPStatusError as error:
        if error.response.status_code in (401, 403):
            sys.exit(f"{client.api_url} lets us not in: set PREFECT_API_AUTH_STRING, or PREFECT_API_KEY for Cloud.")
        return False
    except (httpx.HTTPError, OSError):
        return False
    return True
