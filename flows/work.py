"""`python -m flows.work OPTIONS`: `prefect worker start OPTIONS`, which begins at once and catches up with one run."""

import argparse
import sys
from collections.abc import Sequence

from prefect.cli import app

from fleet.settings import get_settings
from flows import automations, logs
from flows.catching_up import catch_up_with_one_run
from flows.starting import begin_what_must_not_pause, wait_for_prefect


def main() -> None:
    """Start a worker in this process; the options are those of `prefect worker start`."""
    logs.choose(get_settings())
    wait_for_prefect()
    automations.beat()
    catch_up_with_one_run()
    pool, queues = taken_from(sys.argv[1:])
    begin_what_must_not_pause(pool, queues)
    sys.argv = ["prefect", "worker", "start", *sys.argv[1:]]
    app()


def taken_from(options: Sequence[str]) -> tuple[str, list[str]]:
    """The pool and the queues that these options of `prefect worker start` name; none of them: all of the pool's."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--pool", "-p", default="")
    parser.add_argument("--work-queue", "-q", action="append", default=[])
    named, _ = parser.parse_known_args(options)
    return named.pool, named.work_queue


if __name__ == "__main__":
    main()
