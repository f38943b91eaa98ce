"""Credentials of a role that is taken on with those that we have; botocore renews them by itself."""

import threading
from functools import partial
from typing import Any

import boto3
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.session import Session

_LIFETIME_S = 3600
_SESSION_NAME = "flip-fleet"
_sessions: dict[tuple[str, ...], boto3.session.Session] = {}
_lock = threading.Lock()


def session_of(role_arn: str, source: Any, region: str, endpoint_url: str | None) -> boto3.session.Session:
    """The boto3 session of that role, one a process. AWS is asked for it once something is signed.

    `source` are botocore's credentials of whoever takes it on, whose policy must allow `sts:AssumeRole`, as the role's
    trust must allow them.
    """
    key = (role_arn, region, endpoint_url or "", getattr(source, "access_key", ""))
    with _lock:
        if key not in _sessions:
            _sessions[key] = new_session(role_arn, source, region, endpoint_url)
        return _sessions[key]


def new_session(role_arn: str, source: Any, region: str, endpoint_url: str | None) -> boto3.session.Session:
    """The same, not shared: its credentials are new once they are asked for."""
    session = Session()
    fetcher = AssumeRoleCredentialFetcher(
        partial(session.create_client, region_name=region, endpoint_url=endpoint_url),
        source,
        role_arn,
        extra_args={"RoleSessionName": _SESSION_NAME, "DurationSeconds": _LIFETIME_S},
    )
    session._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    return boto3.session.Session(botocore_session=session)
