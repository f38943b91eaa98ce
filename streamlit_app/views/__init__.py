"""The pages: widgets, one call of a service, render. Each has `show()`."""

import importlib
import pkgutil


def load() -> None:
    """Import every page with what it needs."""
    for module in pkgutil.iter_modules(__path__, __name__ + "."):
        importlib.import_module(module.name)
