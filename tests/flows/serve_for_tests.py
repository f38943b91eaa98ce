"""`serve_for_tests.py MODULE:FLOW[+TAG] ...`: serves the named flows under the deployment name `test` until stopped."""

import importlib
import sys
from typing import Any

from fleet.settings import get_settings
from flows import logs
from flows.catching_up import catch_up_with_one_run
from flows.serve import serve


def deployment_of(named: str) -> Any:
    place, *tags = named.split("+")
    module, flow = place.split(":")
    return getattr(importlib.import_module(module), flow).to_deployment(name="test", tags=tags)


if __name__ == "__main__":
    deployments = [deployment_of(named) for named in sys.argv[1:]]
    logs.choose(get_settings())
    catch_up_with_one_run()
    serve(deployments)
