"""A process that does what the flows do with their runs, for as long as its standard input is open.

It ingests and dispatches; where there is a Flip, it tells that of commands and forwards telemetry.
"""

import logging
import sys
import threading
import time

from fleet.adapters.aws.sqs import Queue
from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres import clock, connect
from fleet.adapters.postgres.forwarding import ForwardingLedger
from fleet.errors import FleetError
from fleet.services import dispatch as dispatch_service
from fleet.services.forwarding import forward_once
from fleet.services.ingestion import Pace, ingest
from fleet.settings import Settings, get_settings

_PACE = Pace(wait_s=1.0, gather_s=0.1)
_BEGINS_AGAIN_AFTER_S = 0.3
_FLIP_S = 2.0
"""How long Flip may take: 10 s in the product, which no test waits for."""


def ingest_some(settings: Settings) -> None:
    with Queue(settings, settings.names.telemetry_queue) as queue, connect(settings) as connection:
        ingest(queue, connection, 1.0, _PACE)


def dispatch_some(settings: Settings) -> None:
    dispatch_service.dispatch(settings, 1.0)


def report_some(settings: Settings) -> None:
    dispatch_service.report(settings, 1.0)


def forward_some(settings: Settings) -> None:
    with connect(settings) as connection, FlipClient(settings.flip_base_url, settings.flip_token, _FLIP_S) as flip:
        ForwardingLedger(connection).follow()
        while forward_once(connection, flip, clock(connection)).sent:
            continue
    time.sleep(_BEGINS_AGAIN_AFTER_S)


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

    works = [ingest_some, dispatch_some]
    works += [report_some, forward_some] if settings.flip_token.get_secret_value() else []
    threads = [threading.Thread(target=again_and_again, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    over.set()


if __name__ == "__main__":
    main()
