"""`python -m tests.iam.record`: what the deployer and the operator ask of IAM, and the policies that come of it.

Takes some four minutes: the real Terraform makes, changes and destroys everything at the embedded AWS, as the account's
owner, to whom nothing is refused.
"""

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import get_args

from fleet.adapters.aws import temporary_credentials
from fleet.errors import Refused
from fleet.infrastructure.documents import document_values
from fleet.infrastructure.names import InfrastructureNames
from fleet.infrastructure.outputs import Outputs
from fleet.settings import Settings
from local_cloud.aws.recording import VARIABLE, Call, read_calls
from local_cloud.identities import ensure_deployer
from local_cloud.infrastructure import create_infrastructure
from tasks.jobs import Job
from tests.conftest import running_aws
from tests.iam.deployment import live_through
from tests.iam.derivation import DOCUMENTS, derived

ACCOUNT = "000000000000"


def values_of(settings: Settings) -> dict[str, str]:
    """What the documents are filled in with at the embedded AWS."""
    names = InfrastructureNames(settings.project)
    return document_values(names, ACCOUNT, settings.aws_region, settings.sender_email)


def take_on_all_roles(settings: Settings, outputs: Outputs, deployer: str) -> None:
    """What a machine that serves flows does with credentials of its own: the rest is done with those of a role."""
    for role in [*(getattr(outputs, f"{job}_role_arn") for job in get_args(Job)), deployer]:
        with suppress(Refused):  # asked for all the same: the deployer's trust names the operator, not the owner
            temporary_credentials(settings.model_copy(update={"aws_role_arn": role}))


def _recorded(name: str, folder: Path) -> tuple[list[Call], dict[str, str]]:
    os.environ[VARIABLE] = str(file := folder / "calls.jsonl")
    with running_aws(folder) as settings:
        settings = settings.model_copy(update={"state_dir": folder / "state", "alarm_email": "alarms@example.com"})
        if name == "deployer":
            live_through(settings, folder)
        else:
            outputs, deployer = create_infrastructure(settings), ensure_deployer(settings)
            file.unlink()  # until here the owner was at work
            take_on_all_roles(settings, outputs, deployer)
        return read_calls(file), values_of(settings)


def main() -> None:
    """Write both documents anew."""
    for name in ("operator", "deployer"):
        with tempfile.TemporaryDirectory() as folder:
            text = derived(name, *_recorded(name, Path(folder)))
        (DOCUMENTS / f"{name}_policy.json").write_text(text)
        sys.stdout.write(f"{name}_policy.json: {len(''.join(text.split()))} characters\n")


if __name__ == "__main__":
    main()
