"""A process that ingests and dispatches for as long as its standard input is open, as the flows do with their runs."""

import logging
import sys
import threading
import time

from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import connect
from fleet.errors import FleetError
from fleet.services.dispatch import dispatch
from fleet.services.ingestion import Pace, ingest
from fleet.settings import Settings, get_settings

_PACE = Pace(wait_s=1.0, gather_s=0.1)
_BEGINS_AGAIN_AFTER_S = 0.3


def ingest_some(settings: Settings) -> None:
    with Queue(settings, settings.names.telemetry_queue) as queue, connect(settings) as connection:
        ingest(queue, connection, 1.0, _PACE)


def dispatch_some(settings: Settings) -> None:
    dispatch(settings, 1.0)


def main() -> None:
    """Whatever one slice runs into, the next one begins; only what is no error of ours ends the process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings, over = get_settings(), threading.Event()

    def again_and_again(work: object) -> None:
        while not over.is_set():
            try:
                work(settings)  # type: ignore[operator]
            except FleetError as error:
                logging.warning("%s", error)
                time.sleep(_BEGINS_AGAIN_AFTER_S)

    threads = [threading.Thread(target=again_and_again, args=(work,)) for work in (ingest_some, dispatch_some)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    over.set()


if __name__ == "__main__":
    main()
