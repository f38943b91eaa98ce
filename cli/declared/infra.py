"""AWS: the resources, the Terraform configuration, the account itself."""

from typing import Annotated, Literal

import typer

from cli.output import Output
from cli.style import AsJson, Wait, Yes, command, group

infra_app = group("The AWS resources, by Terraform: through the flows, so with their plan, approval and books.")
terraform_app = group("The Terraform configuration.")
account_app = group("The AWS account itself: an administrator's part, once.")

_Lock = Annotated[
    str, typer.Option("--free-lock", metavar="ID", help="Lock that a run left when it died; a refused run says it.")
]
_Project = Annotated[str, typer.Argument(metavar="PROJECT", help="FLEET_PROJECT, typed out: no other by mistake.")]
_Profile = Annotated[str, typer.Option(help="Administrator's profile of the AWS CLI; none: our credentials.")]


@command(infra_app, "plan", "fleet infra plan")
def plan_infrastructure(wait: Wait = True, as_json: AsJson = False) -> None:
    """Show what Terraform would change; only the bucket and the lock table of its state are made."""
    from cli import infra

    infra.plan().begin(wait, as_json)


@command(infra_app, "apply", "fleet infra apply", "fleet infra apply --yes --json")
def apply_infrastructure(yes: Yes = False, lock: _Lock = "", wait: Wait = True, as_json: AsJson = False) -> None:
    """Plan, ask, and apply exactly what was shown; with --no-wait the question is asked in the Prefect UI."""
    from cli import infra

    infra.apply(wait, yes, lock).begin(wait, as_json)


@command(infra_app, "destroy", "fleet infra destroy flip-fleet", "fleet infra destroy flip-fleet --yes")
def destroy_infrastructure(
    project: _Project, yes: Yes = False, lock: _Lock = "", wait: Wait = True, as_json: AsJson = False
) -> None:
    """Delete every AWS resource of the project; the state's bucket stays, see fleet account clear."""
    from cli import infra

    infra.destroy(project, yes, lock).begin(wait, as_json)


@command(terraform_app, "check", "fleet terraform check")
def check_terraform(as_json: AsJson = False) -> None:
    """Check the format and the validity of the configuration; needs no account."""
    from cli.terraform import check

    check(Output(as_json))


@command(terraform_app, "variables", "fleet terraform variables")
def print_variables(as_json: AsJson = False) -> None:
    """Print the variables that the flow plans with, as JSON in any case: for a plan by hand."""
    from cli.terraform import variables

    variables()


@command(
    terraform_app,
    "policy",
    "fleet terraform policy operator",
    "fleet terraform policy trust --principal arn:aws:iam::123456789012:role/fleet",
)
def print_policy(
    name: Annotated[Literal["operator", "deployer", "trust"], typer.Argument(help="Whose: trust is the deployer's.")],
    principal: Annotated[
        list[str] | None,
        typer.Option(help="For trust: who may take on the role, an ARN each; none: the account's IAM."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a policy, as JSON in any case, for the machine that serves the flows or the role of Terraform."""
    from cli.policies import policy
    from fleet.settings import get_settings

    print(policy(get_settings(), name, principal or []), end="")


@command(account_app, "prepare", "fleet account prepare --profile admin")
def prepare_account(
    profile: _Profile = "",
    operator: Annotated[str, typer.Option(help="ARN of who serves the flows. None: a user is made for that.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make who serves the flows, and the role that Terraform works under; print the lines for .env."""
    from cli import account
    from fleet.settings import get_settings

    account.prepare(get_settings(), profile, operator, Output(as_json))


@command(account_app, "web", "fleet account web --profile admin")
def make_web_user(profile: _Profile = "", as_json: AsJson = False) -> None:
    """Make the web app's user and its credential, once; print the lines for the .env of the web app alone."""
    from cli import account
    from fleet.settings import get_settings

    account.web(get_settings(), profile, Output(as_json))


@command(account_app, "clear", "fleet account clear flip-fleet --profile admin")
def clear_account(
    project: _Project,
    profile: _Profile = "",
    with_archive: Annotated[bool, typer.Option("--with-archive", help="Delete archived telemetry too.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """After fleet infra destroy: delete the state's bucket and lock table, the role, the users."""
    from cli import account
    from fleet.settings import get_settings

    account.clear(get_settings(), profile, project, with_archive, yes, Output(as_json))
