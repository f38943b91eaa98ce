"""`fleet terraform check` and `variables`."""

import tempfile
from pathlib import Path

from cli.output import Output, print_json
from fleet.adapters.terraform.workspace import Terraform
from fleet.settings import get_settings
from tasks.jobs import deployer_settings


def check(out: Output) -> None:
    """Raises what Terraform says against the configuration."""
    with tempfile.TemporaryDirectory() as folder:
        offline = {"state_dir": Path(folder), "aws_role_arn": ""}
        Terraform(get_settings().model_copy(update=offline)).check()
    out.result({"valid": True}, "The Terraform configuration is formatted and valid.")


def variables() -> None:
    """Print the variables of a plan."""
    print_json(Terraform(deployer_settings()).variables())
