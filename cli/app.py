"""`fleet`: what an operator does at a terminal. Each command is a call into the parts below."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.flip import flip_app
from cli.groups import devices_app, dispatches_app, quarantine_app, webhooks_app
from fleet.errors import FleetError
from fleet.settings import env_example, get_settings, load_environment

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A home-battery fleet, from factory to power plant.",
)
account_app = typer.Typer(no_args_is_help=True, help="The AWS account itself: an administrator's part, once.")
terraform_app = typer.Typer(no_args_is_help=True, help="The Terraform configuration.")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(devices_app, name="devices")
app.add_typer(webhooks_app, name="webhooks")
app.add_typer(dispatches_app, name="dispatches")
app.add_typer(terraform_app, name="terraform")
app.add_typer(account_app, name="account")
app.add_typer(flip_app, name="flip")


@app.command()
def up(foreground: Annotated[bool, typer.Option(help="Stay here; Ctrl-C stops everything.")] = False) -> None:
    """Start the embedded cloud: AWS, PostgreSQL, Prefect and the served flows."""
    from cli import cloud

    cloud.up(foreground)


@app.command()
def down() -> None:
    """Stop the embedded cloud; its state stays."""
    from cli import cloud

    cloud.down()


@app.command()
def demo(
    once: Annotated[bool, typer.Option(help="Stop after the story, with one JSON line.")] = False,
) -> None:
    """The whole story on this machine: cloud, infrastructure, provisioning, agents, ingestion."""
    from cli.demo import run

    raise typer.Exit(run(once))


@app.command()
def doctor() -> None:
    """Check what is there and say what to do about what is missing."""
    from cli.doctor import examine

    checks = examine()
    for check in checks:
        print(f"{'ok  ' if check.ok else 'MISS'}  {check.name:<12} {check.detail}")
        if not check.ok:
            print(f"{'':<20}-> {check.advice}")
    raise typer.Exit(0 if all(check.ok for check in checks) else 1)


@app.command()
def deploy() -> None:
    """Make or update pools, deployments, limits and automations on your Prefect; twice changes nothing."""
    from cli.deploy import deploy as deploy_all

    deploy_all(print)


@app.command()
def migrate() -> None:
    """Apply the database migrations that are not applied yet."""
    from fleet.adapters.postgres import migrations

    applied = migrations.migrate(get_settings())
    print("\n".join(applied) if applied else "The database is up to date.")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet, such as fleet.zip.")],
    samples: Annotated[bool, typer.Option(help="With raw samples and the minutes made of them.")] = True,
) -> None:
    """Write what the database holds to a file: accounts, homes, batteries, commands, telemetry."""
    from cli import backup as backups

    backups.backup(file, samples)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What fleet backup wrote.")],
) -> None:
    """Fill the empty database of DATABASE_URL with a backup."""
    from cli import backup as backups

    backups.restore(file)


@app.command()
def history(
    device: Annotated[str, typer.Option(help="Thing name of the device.")],
    start: Annotated[str, typer.Option("--from", metavar="ISO", help="First moment, such as 2026-11-01T00:00:00Z.")],
    end: Annotated[str, typer.Option("--to", metavar="ISO", help="The moment after the last one.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Every sample and column as CSV.")] = False,
) -> None:
    """A device's samples in the order of its clock, out of the database and the archive."""
    from cli import history as samples

    span = samples.moment(start, "--from"), samples.moment(end, "--to")
    (samples.write_csv if as_csv else samples.show)(device, *span)


@app.command("app-credential")
def app_credential(
    name: Annotated[str, typer.Option(help="What to call it in the list.")] = "web",
    show: Annotated[bool, typer.Option("--list", help="Show which there are, and make none.")] = False,
    revoke: Annotated[str, typer.Option(metavar="ID", help="End one, and make none.")] = "",
) -> None:
    """Make what lets the web app bind batteries, and print it once: FLEET_APP_CREDENTIAL."""
    from cli import app_credential as credentials

    if revoke:
        credentials.revoke(revoke)
    elif show:
        credentials.show()
    else:
        credentials.make(name)


@app.command("command-key")
def command_key(
    follow: Annotated[bool, typer.Option("--next", help="The key that follows the one in the settings.")] = False,
) -> None:
    """Make the key that commands to batteries are signed with, and print it once, as lines for .env."""
    from cli import command_key as keys

    (keys.make_next if follow else keys.make)()


@app.command()
def capacity(
    devices: Annotated[str, typer.Option(help="How many: 1000, 10k, 1M, 1e6.")] = "1000",
    sample: Annotated[str, typer.Option(help="A sample each: 5s, 1m.")] = "5s",
    publish: Annotated[str, typer.Option(help="A message each: 60s, 5m.")] = "60s",
    keep: Annotated[str, typer.Option(help="Raw samples stay so long in the database: 2d, 30d.")] = "7d",
    live: Annotated[str, typer.Option(help="A message each, in an event or while somebody looks: 5s.")] = "5s",
    live_hours: Annotated[float, typer.Option(help="Hours a month of that, for each device.")] = 10.0,
    region: Annotated[str, typer.Option(help="AWS region of the prices.")] = "us-east-1",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line.")] = False,
) -> None:
    """What a fleet costs a month and which limit it meets first."""
    from cli.capacity import show

    show(devices, sample, publish, keep, live, live_hours, region, as_json)


@app.command("env-example")
def print_env_example() -> None:
    """Print the text of .env.example."""
    print(env_example())


_Profile = Annotated[str, typer.Option(help="Administrator's profile of the AWS CLI; none: our credentials.")]


@account_app.command("prepare")
def prepare_account(
    profile: _Profile = "",
    operator: Annotated[str, typer.Option(help="ARN of who serves the flows. None: a user is made for that.")] = "",
) -> None:
    """Make who serves the flows, and the role that Terraform works under; print the lines for .env."""
    from cli import account

    account.prepare(get_settings(), profile, operator)


@account_app.command("web")
def make_web_user(profile: _Profile = "") -> None:
    """Make the web app's user and its credential, once; print the lines for the .env of the web app alone."""
    from cli import account

    account.web(get_settings(), profile)


@account_app.command("clear")
def clear_account(
    project: Annotated[str, typer.Argument(help="FLEET_PROJECT, typed out, so that it is no other by mistake.")],
    profile: _Profile = "",
    with_archive: Annotated[bool, typer.Option(help="Delete archived telemetry too.")] = False,
) -> None:
    """After destroy-infrastructure: delete the state's bucket and lock table, the role, the users."""
    from cli import account

    account.clear(get_settings(), profile, project, with_archive)


@terraform_app.command("check")
def check_terraform() -> None:
    """Check the format and the validity of the configuration; needs no account."""
    from fleet.adapters.terraform.workspace import Terraform

    with tempfile.TemporaryDirectory() as folder:
        offline = {"state_dir": Path(folder), "aws_role_arn": ""}
        Terraform(get_settings().model_copy(update=offline)).check()
    print("The Terraform configuration is formatted and valid.")


@terraform_app.command("variables")
def print_variables() -> None:
    """Print the variables that the flow plans with, as JSON: for a plan by hand."""
    from fleet.adapters.terraform.workspace import Terraform
    from tasks.jobs import deployer_settings

    print(json.dumps(Terraform(deployer_settings()).variables(), indent=2))


@terraform_app.command("policy")
def print_policy(
    name: Annotated[Literal["operator", "deployer", "trust"], typer.Argument(help="Whose: trust is the deployer's.")],
    principal: Annotated[
        list[str] | None,
        typer.Option(help="For trust: who may take on the role, an ARN each; none: the account's IAM."),
    ] = None,
) -> None:
    """Print a policy for the machine that serves the flows, or for the role that Terraform works under."""
    from cli.policies import policy

    print(policy(get_settings(), name, principal or []), end="")


@app.callback()
def _options(debug: Annotated[bool, typer.Option(help="Show the stack trace of an error.")] = False) -> None:
    _state["debug"] = debug


_state = {"debug": False}


def main() -> None:
    """Run a command; an error of ours is one sentence on stderr and its own exit code."""
    load_environment()
    try:
        app(prog_name="fleet")
    except FleetError as error:
        if _state["debug"]:
            raise
        print(f"fleet: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if _state["debug"]:
            raise
        print(f"fleet: {error}: check FLEET_STATE_DIR and the disk.", file=sys.stderr)
        sys.exit(3)
    except Exception as error:
        if _state["debug"]:
            raise
        print(
            f"fleet: an error of ours: {error!r}; `fleet --debug ...` shows where, please report it.", file=sys.stderr
        )
        sys.exit(70)


if __name__ == "__main__":
    main()
