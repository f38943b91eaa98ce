"""boto3 clients, made from the settings, and AWS's error codes turned into ours."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError
from pydantic import SecretStr

from fleet.adapters.aws.assumed import new_session, session_of
from fleet.errors import Conflict, FleetError, InvalidInput, NotConfigured, NotFound, Refused, Unavailable
from fleet.settings import Settings

_KINDS: dict[str, type[FleetError]] = {
    **dict.fromkeys(
        [
            "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId",
            "InvalidAccessKeyId", "SignatureDoesNotMatch", "UnauthorizedException", "UnrecognizedClientException",
            "NotAuthorizedException", "UnauthorizedOperation", "ForbiddenException",
        ],
        Refused,
    ),
    **dict.fromkeys(
        ["ResourceNotFoundException", "NotFoundException", "AWS.SimpleQueueService.NonExistentQueue",
         "QueueDoesNotExist", "NoSuchBucket", "NoSuchKey", "404"],
        NotFound,
    ),
    **dict.fromkeys(
        ["ResourceAlreadyExistsException", "ConflictException", "DeleteConflictException",
         "ResourceConflictException"],
        Conflict,
    ),
    **dict.fromkeys(
        ["ThrottlingException", "Throttling", "RequestThrottled", "TooManyRequestsException", "LimitExceededException",
         "ServiceUnavailable", "ServiceUnavailableException", "InternalFailure", "InternalFailureException",
         "InternalError", "RequestTimeout", "OverLimit", "AWS.SimpleQueueService.OverLimit"],
        Unavailable,
    ),
    **dict.fromkeys(["InvalidRequestException", "ValidationException", "InvalidParameterValue"], InvalidInput),
}  # fmt: skip


_CONFIG = Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=64, connect_timeout=5)

# One session: it reads the services' descriptions once. Its clients may be shared by threads, making them may not.
_session, _making = boto3.session.Session(), threading.Lock()


def client(settings: Settings, service: str, config: Config | None = None) -> Any:
    """A boto3 client for `service`, safe to share between threads. Standard retries unless `config` says otherwise."""
    place = {"region_name": settings.aws_region, "endpoint_url": settings.aws_endpoint_url or None}
    merged = _CONFIG.merge(config) if config else _CONFIG
    if settings.aws_role_arn:
        session = _session_of_role(settings)
        with _making, _configured():
            return session.client(service, **place, config=merged)
    key, secret = settings.aws_access_key_id, settings.aws_secret_access_key.get_secret_value()
    with _making, _configured():
        return _session.client(
            service,
            **place,
            aws_access_key_id=key or None,
            aws_secret_access_key=secret or None,
            aws_session_token=settings.aws_session_token.get_secret_value() or None,
            config=merged,
        )


def credentials(settings: Settings) -> Any:
    """Those that `client` signs with, as botocore has them: the settings' keys, or what its default chain finds
    (environment, profile, SSO, web identity, container or instance role), refreshed by itself. None without any."""
    return _session_of_role(settings).get_credentials() if settings.aws_role_arn else _own_credentials(settings)


def temporary_credentials(settings: Settings) -> Credentials:
    """Credentials of the settings' role that are new, so that they last an hour: for a program that cannot renew them.

    Raises `Refused` where the role may not be taken on.
    """
    own = _own_credentials_for_role(settings)
    with _making, _configured():
        session = new_session(settings.aws_role_arn, own, settings.aws_region, settings.aws_endpoint_url or None)
    with translated(f"taking on {settings.aws_role_arn}"):
        frozen = session.get_credentials().get_frozen_credentials()
    return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


def with_profile(settings: Settings, profile: str) -> Settings:
    """The settings with the credentials of that profile of the AWS CLI, for as long as those last; without a name, as
    they are. Raises `NotConfigured` for a profile that is none, or is not signed in."""
    if not profile:
        return settings
    try:
        with _making:
            found = boto3.session.Session(profile_name=profile).get_credentials()
            frozen = found.get_frozen_credentials() if found else None
    except BotoCoreError as error:
        raise NotConfigured(f"The AWS profile {profile!r} cannot be used: {error}") from error
    if frozen is None:
        raise NotConfigured(f"The AWS profile {profile!r} has no credentials: sign in (`aws sso login`).")
    return settings.model_copy(
        update={
            "aws_access_key_id": frozen.access_key,
            "aws_secret_access_key": SecretStr(frozen.secret_key),
            "aws_session_token": SecretStr(frozen.token or ""),
            "aws_role_arn": "",
        }
    )


def _own_credentials(settings: Settings) -> Any:
    key, secret = settings.aws_access_key_id, settings.aws_secret_access_key.get_secret_value()
    if key and secret:
        return Credentials(key, secret, settings.aws_session_token.get_secret_value() or None)
    with _making, _configured():
        return _session.get_credentials()


def _session_of_role(settings: Settings) -> boto3.session.Session:
    own = _own_credentials_for_role(settings)
    with _making, _configured():
        return session_of(settings.aws_role_arn, own, settings.aws_region, settings.aws_endpoint_url or None)


def _own_credentials_for_role(settings: Settings) -> Any:
    own = _own_credentials(settings)
    if own is None:
        raise NotConfigured(
            f"No AWS credentials to take on {settings.aws_role_arn} with: sign in (`aws sso login`) or set "
            "AWS_ACCESS_KEY_ID and its secret."
        )
    return own


def ca_file() -> str | None:
    """The file of trust anchors that AWS_CA_BUNDLE or the profile names; None: botocore's own."""
    with _making:
        named = _session._session.get_config_variable("ca_bundle")
    return str(named) if named else None


@contextmanager
def _configured() -> Iterator[None]:
    try:
        yield
    except CredentialRetrievalError as error:
        raise Unavailable(f"AWS credentials could not be fetched: {error}") from error
    except (ValueError, BotoCoreError) as error:
        raise NotConfigured(f"AWS_REGION or AWS_ENDPOINT_URL cannot be used: {error}.") from error


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Run AWS calls; raise a `FleetError` that says what was being done when AWS refused or did not answer."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        message = error.response.get("Error", {}).get("Message", "")
        kind = _KINDS.get(code, Unavailable if _status(error) >= 500 or _status(error) == 429 else FleetError)
        raise kind(f"AWS refused {doing}: {code} {message}".strip()) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise NotConfigured(
            f"No AWS credentials {doing}: sign in (`aws sso login`) or set AWS_ACCESS_KEY_ID and its secret."
        ) from error
    except (BotoCoreError, ResponseParserError) as error:
        raise Unavailable(f"AWS could not be reached {doing}: {error}") from error
    except RuntimeError as error:
        if not _is_of_credentials(error):
            raise
        raise Unavailable(f"AWS could not be asked {doing}: {error}") from error


def _is_of_credentials(error: RuntimeError) -> bool:
    """Whether botocore says by it that the new credentials it was given have expired too; it has no class for that."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals["__name__"] == RefreshableCredentials.__module__


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
