import asyncio
import time
from typing import Any

import pytest

from local_cloud.aws.__main__ import TERRAFORM_WAITS_S, spare_terraform

TERRAFORM = b"APN/1.0 HashiCorp/1.0 Terraform/1.11.4 aws-sdk-go-v2/1.36.0"


def seconds_for(scope: dict[str, Any]) -> float:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal reached
        reached = time.monotonic()

    reached, started = 0.0, time.monotonic()
    asyncio.run(spare_terraform(app)(scope, None, None))
    return reached - started


def test_terraform_is_answered_as_late_as_over_a_network() -> None:
    assert seconds_for({"type": "http", "headers": [(b"user-agent", TERRAFORM)]}) >= TERRAFORM_WAITS_S


@pytest.mark.parametrize("scope", [{"type": "lifespan"}, {"type": "http", "headers": [(b"user-agent", b"Boto3/1.40")]}])
def test_others_are_answered_at_once(scope: dict[str, Any]) -> None:
    assert min(seconds_for(scope) for _ in range(5)) < TERRAFORM_WAITS_S
