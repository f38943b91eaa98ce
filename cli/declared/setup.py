"""What makes a fleet ready: checks, migrations, deployments, keys, backups."""

from pathlib import Path
from typing import Annotated

import typer

from cli.output import Output
from cli.style import AsJson, Yes, command, group

setup_app = group()


@command(setup_app, "doctor", "fleet doctor")
def doctor(as_json: AsJson = False) -> None:
    """Check what is there and say what to do about what is missing; exit code 1 if anything is."""
    from cli.doctor import report

    raise typer.Exit(report(Output(as_json)))


@command(setup_app, "migrate", "fleet migrate")
def migrate(as_json: AsJson = False) -> None:
    """Apply the database migrations that are not applied yet."""
    from fleet.adapters.postgres import migrations
    from fleet.settings import get_settings

    applied = migrations.migrate(get_settings())
    Output(as_json).result({"applied": applied}, *(applied or ["The database is up to date."]))


@command(setup_app, "deploy", "fleet deploy")
def deploy(as_json: AsJson = False) -> None:
    """Make or update pools, deployments, limits and automations on your Prefect; twice changes nothing."""
    from cli import deploy as deploying

    deploying.deploy_and_tell(Output(as_json))


@command(setup_app, "backup", "fleet backup fleet.zip", "fleet backup small.zip --no-samples")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet, such as fleet.zip.")],
    samples: Annotated[bool, typer.Option(help="With raw samples and the minutes made of them.")] = True,
    as_json: AsJson = False,
) -> None:
    """Write what the database holds to a file: accounts, homes, batteries, commands, telemetry."""
    from cli import backup as backups

    backups.backup(file, samples, Output(as_json))


@command(setup_app, "restore", "fleet restore fleet.zip")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What fleet backup wrote.")],
    as_json: AsJson = False,
) -> None:
    """Fill the empty database of DATABASE_URL with a backup; one that has rows is refused."""
    from cli import backup as backups

    backups.restore(file, Output(as_json))


@command(setup_app, "app-credential", "fleet app-credential --name web-2", "fleet app-credential --list")
def app_credential(
    name: Annotated[str, typer.Option(help="What to call it in the list.")] = "web",
    show: Annotated[bool, typer.Option("--list", help="Show which there are, and make none.")] = False,
    revoke: Annotated[str, typer.Option(metavar="ID", help="End one, and make none.")] = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Make what lets the web app bind batteries, and print it once: FLEET_APP_CREDENTIAL."""
    from cli import app_credential as credentials

    out = Output(as_json)
    if revoke:
        credentials.revoke(revoke, yes, out)
    elif show:
        credentials.show(out)
    else:
        credentials.make(name, out)


@command(setup_app, "command-key", "fleet command-key", "fleet command-key --next")
def command_key(
    follow: Annotated[bool, typer.Option("--next", help="The key that follows the one in the settings.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the key that commands to batteries are signed with, and print it once, as lines for .env."""
    from cli import command_key as keys

    (keys.make_next if follow else keys.make)(Output(as_json))


@command(setup_app, "env-example", "fleet env-example")
def print_env_example(as_json: AsJson = False) -> None:
    """Print the text of .env.example; as JSON a list of the settings, with what each is for."""
    from cli.env_example import show

    show(Output(as_json))
