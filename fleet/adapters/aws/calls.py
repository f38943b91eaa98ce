"""Calls of one AWS service in its JSON protocol, with AWS's standard retries, on connections that are kept.

Errors are botocore's own classes, so that `aws.translated` says the same of them as of a boto3 client's.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from fleet.adapters.aws.http_answer import Answer
from fleet.adapters.aws.http_connection import BrokenConnection, Endpoint, HttpConnection
from fleet.adapters.aws.sigv4 import Keys, Signer

# The lists of AWS's standard retry mode; a test holds them against botocore's.
THROTTLED = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException",
    "TooManyRequestsException", "ProvisionedThroughputExceededException", "TransactionInProgressException",
    "RequestLimitExceeded", "BandwidthLimitExceeded", "LimitExceededException", "RequestThrottled", "SlowDown",
    "PriorRequestNotComplete", "EC2ThrottledException",
})  # fmt: skip
TRANSIENT = frozenset({"RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete"})
TRANSIENT_STATUS = frozenset({500, 502, 503, 504})
_CONNECT_TIMEOUT_S, _MAX_BACKOFF_S = 5.0, 20.0
_RETRY_COST, _QUOTA = 5, 500


@dataclass(frozen=True)
class Service:
    """Which service, where, and who asks. `credentials` are botocore's, of whatever kind: they refresh themselves."""

    name: str
    target_prefix: str
    region: str
    endpoint: Endpoint
    credentials: Any
    max_attempts: int = 3


class AwsCalls:
    """Calls at once, as many as are asked for, each on a connection of its own. Belongs to one event loop."""

    def __init__(self, service: Service, jitter: Callable[[], float] = random.random) -> None:
        self._service, self._jitter = service, jitter
        self._signer = Signer(service.region, service.name, service.endpoint.authority)
        self._idle: list[HttpConnection] = []
        self._quota = _QUOTA

    async def call(self, operation: str, payload: bytes, timeout_s: float = 60) -> bytes:
        """The body of the answer. Raises `ClientError` and `BotoCoreError`, as a boto3 client does."""
        attempt = 1
        while True:
            failure = await self._attempt(operation, payload, timeout_s)
            if isinstance(failure, bytes):
                self._quota = min(_QUOTA, self._quota + 1)
                return failure
            if attempt >= self._service.max_attempts or not retryable(failure) or self._quota < _RETRY_COST:
                raise failure
            self._quota -= _RETRY_COST
            await asyncio.sleep(self._jitter() * min(2 ** (attempt - 1), _MAX_BACKOFF_S))
            attempt += 1

    def close(self) -> None:
        """Close the connections that wait for a call."""
        while self._idle:
            self._idle.pop().close()

    async def _attempt(self, operation: str, payload: bytes, timeout_s: float) -> bytes | BotoCoreError | ClientError:
        keys = await self._keys()
        target = f"{self._service.target_prefix}.{operation}"
        url = self._service.endpoint.authority
        try:
            answer = await self._exchange(keys, target, payload, timeout_s)
        except TimeoutError as error:
            return ReadTimeoutError(endpoint_url=url, error=error)
        except BrokenConnection as error:
            return ConnectionClosedError(endpoint_url=url, error=error)
        except OSError as error:
            return EndpointConnectionError(endpoint_url=url, error=error)
        return answer.body if answer.status == 200 else _client_error(operation, answer)

    async def _exchange(self, keys: Keys, target: str, payload: bytes, timeout_s: float) -> Answer:
        kept = self._kept()
        connection = kept or await HttpConnection.connect(self._service.endpoint, _CONNECT_TIMEOUT_S)
        request = self._signer.request(keys, target, payload, time.time())
        try:
            answer = await connection.exchange(request, timeout_s)
        except BrokenConnection:
            if kept is None:
                raise
            # The other side had closed a connection that nobody used for a while: no failure of the service.
            connection = await HttpConnection.connect(self._service.endpoint, _CONNECT_TIMEOUT_S)
            answer = await connection.exchange(request, timeout_s)
        if connection.usable:
            self._idle.append(connection)
        return answer

    def _kept(self) -> HttpConnection | None:
        while self._idle:
            if (connection := self._idle.pop()).usable:
                return connection
        return None

    async def _keys(self) -> Keys:
        credentials = self._service.credentials
        if credentials is None:
            raise NoCredentialsError
        if getattr(credentials, "refresh_needed", bool)():  # asks a role or SSO for new ones: not in the event loop
            frozen = await asyncio.to_thread(credentials.get_frozen_credentials)
        else:
            frozen = credentials.get_frozen_credentials()
        return Keys(frozen.access_key, frozen.secret_key, frozen.token or "")


def retryable(failure: Exception) -> bool:
    """Whether AWS's standard retry mode tries again after this."""
    if not isinstance(failure, ClientError):
        return True  # transport: no connection, a broken one, no answer in time
    code = failure.response["Error"]["Code"]
    status = failure.response["ResponseMetadata"]["HTTPStatusCode"]
    return code in THROTTLED or code in TRANSIENT or status in TRANSIENT_STATUS


class _Problem(msgspec.Struct):
    type_: str = msgspec.field(name="__type", default="")
    code: str = ""
    message: str = ""
    Message: str = ""


def _client_error(operation: str, answer: Answer) -> ClientError:
    """What AWS answered, as botocore would raise it; an answer that is no JSON (a proxy's, say) by its status."""
    try:
        problem = msgspec.json.decode(answer.body, type=_Problem)
    except msgspec.MsgspecError:
        problem = _Problem()
    code = _query_code(answer.head) or (problem.type_ or problem.code).rsplit("#")[-1] or str(answer.status)
    error = {"Code": code, "Message": problem.message or problem.Message}
    return ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": answer.status}}, operation)


def _query_code(head: bytes) -> str:
    """The code that the service's older protocol has for this error: botocore shows that one, so we do."""
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "x-amzn-query-error":
            return value.partition(";")[0].strip()
    return ""
