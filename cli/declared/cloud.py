"""The embedded cloud and the story in it."""

from typing import Annotated

import typer

from cli.output import Output
from cli.style import AsJson, command, group

cloud_app = group()


@command(cloud_app, "up", "fleet up", "fleet up --foreground")
def up(
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay here; Ctrl-C stops everything.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start the embedded cloud: AWS, PostgreSQL, Prefect and the served flows."""
    from cli import cloud

    cloud.up_and_tell(foreground, Output(as_json))


@command(cloud_app, "down", "fleet down")
def down(as_json: AsJson = False) -> None:
    """Stop the embedded cloud; its state stays."""
    from cli import cloud

    cloud.down_and_tell(Output(as_json))


@command(cloud_app, "demo", "fleet demo", "fleet demo --once")
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop after the story, with one JSON line.")] = False,
    as_json: AsJson = False,
) -> None:
    """The whole story on this machine: cloud, infrastructure, provisioning, agents, ingestion.

    With --json the story is told once, its progress goes to stderr and its figures to stdout.
    """
    from cli.demo import run
    from cli.output import progress_elsewhere

    with progress_elsewhere(as_json):
        code = run(once or as_json)
    raise typer.Exit(code)
