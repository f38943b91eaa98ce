"""How a worker takes from a queue."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How a worker takes from the queue.

    `messages` and `body_bytes` bound a commit, and once more what waits for the next one: memory is twice that. A
    batch is stored at once when the queue is drained, and while there is a backlog as soon as it is full or its first
    message waited for `gather_s` seconds. `wait_s` is a long poll's time; after an answer that was not full the next
    one begins `linger_s` later, since each is paid for.
    """

    messages: int = 2_000
    wait_s: float = 5.0
    body_bytes: int = 8 * 1024 * 1024
    gather_s: float = 0.5
    linger_s: float = 0.1
    polls: int = 8
