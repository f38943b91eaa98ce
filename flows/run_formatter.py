"""How a process that works on a run writes its log; imported by Prefect before anything else of ours is."""

import os

from fleet.logs import JsonFormatter
from fleet.settings import secrets_of_environment


class RunFormatter(JsonFormatter):
    """Every line names the run that the process works on, also what the domain's and others' loggers say."""

    def __init__(self) -> None:
        run = os.environ.get("PREFECT__FLOW_RUN_ID")
        super().__init__(secrets_of_environment, **({"flow_run_id": run} if run else {}))
