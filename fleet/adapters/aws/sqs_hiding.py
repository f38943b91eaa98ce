"""While storing takes long, keep others from what was received. All of it belongs to the event loop."""

import asyncio
import logging
from collections.abc import Sequence

from fleet.adapters.aws.sqs import chunks
from fleet.adapters.aws.sqs_buffer import Buffer
from fleet.adapters.aws.sqs_calls import QueueCalls

_log = logging.getLogger(__name__)


async def keep_hidden(calls: QueueCalls, buffer: Buffer, hidden_s: int) -> None:
    """Without end, until cancelled. `hidden_s` is the time that a delivery is hidden, and is prolonged by.

    Looks three times in that time, and prolongs what it saw the time before too: what is just being stored and
    deleted needs nothing.
    """
    seen: set[str] = set()
    while True:
        await asyncio.sleep(hidden_s / 3)
        batch, held = buffer.held()
        long_held = [receipt for receipt in held if receipt in seen]
        seen, lost = set(held), 0
        for chunk in chunks(long_held):
            if not buffer.is_in_hand(batch):
                break  # it is stored: what waits behind it comes now
            lost += await _hide(calls, chunk, hidden_s)
        if lost:
            _log.warning("%d messages could not be kept hidden: they may come once more", lost)


async def _hide(calls: QueueCalls, receipts: Sequence[str], hidden_s: int) -> int:
    try:
        return await calls.hide(receipts, hidden_s)
    except Exception as error:
        _log.warning("messages could not be kept hidden: %s", error)
        return len(receipts)
