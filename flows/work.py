"""`python -m flows.work OPTIONS`: `prefect worker start OPTIONS`, which catches up with one run a deployment."""

import sys

from prefect.cli import app

from fleet.settings import get_settings
from flows import automations, logs
from flows.catching_up import catch_up_with_one_run
from flows.starting import wait_for_prefect


def main() -> None:
    """Start a worker in this process; the options are those of `prefect worker start`."""
    logs.choose(get_settings())
    wait_for_prefect()
    automations.beat()
    catch_up_with_one_run()
    sys.argv = ["prefect", "worker", "start", *sys.argv[1:]]
    app()


if __name__ == "__main__":
    main()
