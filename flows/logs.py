"""JSON logs of the processes that take runs, and of the runs' own: with FLEET_LOG_FORMAT=json."""

import logging.config
import os
from pathlib import Path

from prefect.logging.configuration import load_logging_config

from fleet.settings import Settings

PATH = Path(__file__).with_name("logging.yml")


def choose(settings: Settings) -> None:
    """Log as the settings say, here and in the processes that are started from here."""
    if settings.log_format == "json":
        os.environ.setdefault("PREFECT_LOGGING_SETTINGS_PATH", str(PATH))
        logging.config.dictConfig(load_logging_config(PATH))
