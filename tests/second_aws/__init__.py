"""A second AWS, moto's server: what holds against one emulator only is a guess about AWS.

`make test-second-aws` runs the tests of the adapters and of the Terraform against it. `FAILS` is all that fails there:
each was looked up, and AWS's documentation, as the reason says it, sides with the first emulator.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from fleet.settings import Settings
from local_cloud.processes import HTTPExecutor
from tests.command_examples import COMMAND_KEY, SIGNER

IS_ASKED_FOR = os.environ.get("FLEET_TEST_AWS") == "moto"

_NOBODY_IS_ASKED = "moto lets every call of an assumed role pass; AWS asks IAM"
_DELETED_TWICE = (
    "moto refuses DeleteThing of a thing that there is not, and DetachPolicy of what is not attached; AWS's reference: "
    "DeleteThing succeeds then, and DetachPolicy has no ResourceNotFoundException"
)
_REDRIVE = "moto writes RedrivePolicy anew, with spaces; SQS gives back what was set"
_DEFAULT = (
    "moto shows an integration's connectionType where it was sent; AWS's default, INTERNET, is what Terraform sends"
)
_ADAPTERS, _PROVISIONING, _SERVICES = (
    "tests/fleet/adapters",
    "tests/fleet/provisioning/test_steps.py",
    "tests/fleet/services",
)

FAILS = {
    f"{_PROVISIONING}::test_retiring_finds_a_certificate_that_nobody_wrote_down": _DELETED_TWICE,
    f"{_PROVISIONING}::test_a_retirement_that_was_killed_is_no_provisioned_device_and_can_be_finished": _DELETED_TWICE,
    f"{_ADAPTERS}/aws/test_iot_core.py::test_the_web_app_may_do_nothing_else_in_iot_core": _NOBODY_IS_ASKED,
    f"{_ADAPTERS}/aws/test_ses.py::test_a_mail_arrives_as_it_was_written": "moto shows its mails at another address",
    f"{_SERVICES}/test_archiving.py::test_the_jobs_role_may_do_all_of_it_and_delete_nothing": _NOBODY_IS_ASKED,
    f"{_SERVICES}/test_dispatch.py::test_what_iot_core_does_not_take_is_sent_again_later": _NOBODY_IS_ASKED,
    f"{_SERVICES}/test_dispatch.py::test_many_are_published_at_once_and_a_stranger_is_refused": _NOBODY_IS_ASKED,
    f"{_SERVICES}/test_dispatch.py::test_the_jobs_role_may_publish_commands_and_read_no_queue": _NOBODY_IS_ASKED,
    "tests/local_cloud/test_infrastructure.py::test_boto3_makes_what_terraform_makes": _DEFAULT,
    f"{_ADAPTERS}/terraform/test_workspace.py::test_a_second_apply_changes_nothing": _REDRIVE,
    f"{_ADAPTERS}/terraform/test_workspace.py::"
    "test_a_plan_by_hand_with_the_variables_that_are_printed_changes_nothing": _REDRIVE,
    f"{_ADAPTERS}/terraform/test_workspace.py::test_what_exists_and_the_state_does_not_know_is_adopted": _REDRIVE,
}
"""A test, or all of a parametrized one, and why moto fails it. One that passes after all fails the run."""


@contextmanager
def running(port: int, log: Path) -> Iterator[Settings]:
    """The server, empty, as settings; it asks nobody for a signature and serves no MQTT."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        server = HTTPExecutor(
            [sys.executable, "-m", "tests.second_aws.server", "--port", str(port)],
            url=f"http://127.0.0.1:{port}/moto-api/data.json",
            timeout=60,
            stdin=None,
            stdout=stream,
            stderr=stream,
        )
        with server:
            yield Settings(
                aws_endpoint_url=f"http://127.0.0.1:{port}",
                aws_access_key_id="AKIATESTTESTTESTTEST",
                aws_secret_access_key=SecretStr("secret"),
                iot_endpoint="localhost",
                command_key=SecretStr(COMMAND_KEY),
                command_public_key=SIGNER.public_key.text,
                provisioning_rate_per_s=0,
            )


def mark_what_fails(items: list[pytest.Item]) -> None:
    """As strict xfails, with their reasons."""
    for item in items:
        if reason := FAILS.get(item.nodeid.partition("[")[0]):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
