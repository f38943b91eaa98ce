"""Credentials that renew themselves, and what is said when what they are given is over."""

import asyncio
from datetime import UTC, datetime, timedelta

import boto3
import botocore.session
import pytest
from botocore.credentials import RefreshableCredentials

from fleet.adapters.aws import translated
from fleet.adapters.aws.calls import AwsCalls, Service
from fleet.adapters.aws.http_connection import Endpoint
from fleet.errors import Unavailable

OVER = datetime.now(UTC) - timedelta(seconds=1)


@pytest.fixture
def stale() -> RefreshableCredentials:
    """As a host has them whose clock is ahead, or whose agent hands out what it fetched before."""
    given = {"access_key": "key", "secret_key": "secret", "token": "token", "expiry_time": OVER.isoformat()}
    return RefreshableCredentials("key", "secret", "token", OVER, lambda: given, "container-role")


def test_new_credentials_that_are_over_may_do_later_for_our_own_calls(stale: RefreshableCredentials) -> None:
    nowhere = Endpoint("127.0.0.1", 9, None)
    calls = AwsCalls(Service("sqs", "AmazonSQS", "eu-west-1", nowhere, stale))
    with pytest.raises(Unavailable, match="still expired"), translated("to receive"):
        asyncio.run(calls.call("ReceiveMessage", b"{}"))


def test_new_credentials_that_are_over_may_do_later_for_boto3(stale: RefreshableCredentials) -> None:
    session = botocore.session.Session()
    session._credentials = stale
    client = boto3.session.Session(botocore_session=session).client("sqs", "eu-west-1", endpoint_url="http://[::1]:9")
    with pytest.raises(Unavailable, match="still expired"), translated("to list"):
        client.list_queues()


def test_an_error_of_our_own_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="a bug"), translated("to receive"):
        raise RuntimeError("a bug")
