"""`serve_for_tests.py MODULE:FLOW ...`: serves the named flows under the deployment name `test` until stopped."""

import importlib
import sys

from prefect import serve

from flows.catching_up import catch_up_with_one_run

if __name__ == "__main__":
    pairs = [name.split(":") for name in sys.argv[1:]]
    deployments = [getattr(importlib.import_module(module), flow).to_deployment(name="test") for module, flow in pairs]
    catch_up_with_one_run()
    serve(*deployments, pause_on_shutdown=False)
