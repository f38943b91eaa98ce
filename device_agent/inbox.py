"""How other threads and signal handlers reach the loop."""

from collections import defaultdict
from queue import Empty, SimpleQueue

from device_agent.events import Event


class Inbox:
    """Events from other threads and signal handlers to the loop. `post` may be called from anywhere."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[tuple[str, Event] | None] = SimpleQueue()
        self.stop_asked = False

    def post(self, thing_name: str, event: Event) -> None:
        """Hand over an event of the named thing."""
        self._queue.put((thing_name, event))

    def ask_to_stop(self) -> None:
        """Let the loop drain and end."""
        self.stop_asked = True
        self._queue.put(None)

    def collect(self, timeout_s: float) -> dict[str, list[Event]]:
        """Wait for the first event, at most `timeout_s`, and return all that are there, by thing."""
        events: defaultdict[str, list[Event]] = defaultdict(list)
        try:
            item = self._queue.get(timeout=max(0.0, timeout_s))
            while True:
                if item is not None:
                    events[item[0]].append(item[1])
                item = self._queue.get_nowait()
        except Empty:
            return events
