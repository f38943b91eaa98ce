"""IoT Core's data plane: what is said to devices on their topics, and the end of their connections."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from botocore.config import Config

from fleet.adapters import aws
from fleet.adapters.aws.iot_core import data_endpoint
from fleet.errors import FleetError, NotFound, Unavailable
from fleet.items import attempt
from fleet.settings import Settings
from fleet.topics import commands_topic

_AT_ONCE = 16
_TIMEOUT_S = 5.0
_LOOKS, _LOOKS_EVERY_S, _MOST_LOOKS = 3, 1.0, 60


class DevicePublisher:
    """Publishes to many devices at once, QoS 1, never retained. One client; close it, or use it as a context.

    `topic_of` gives each device's topic.

    A message that IoT Core took is not on the device yet: that is what the device's own acknowledgement is for. What it
    did not take is sent again by whoever has it written down, so an endpoint that hangs is given up soon: after two
    tries of `timeout_s` seconds each, for connecting and for answering.
    """

    def __init__(
        self,
        settings: Settings,
        topic_of: Callable[[str], str] = commands_topic,
        at_once: int = _AT_ONCE,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        self._topic_of = topic_of
        soon = Config(
            parameter_validation=False,
            connect_timeout=timeout_s,
            read_timeout=timeout_s,
            retries={"mode": "standard", "max_attempts": 2},
        )
        self._client = aws.client(_at_the_data_endpoint(settings), "iot-data", soon)
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="publish")

    def publish(self, messages: Sequence[tuple[str, bytes]]) -> list[FleetError | None]:
        """Send each `(thing name, body)`; for each, in order, None or why IoT Core did not take it."""
        return list(self._pool.map(self._publish, messages))

    def close(self) -> None:
        """Let go of the threads and the connections."""
        self._pool.shutdown()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _publish(self, message: tuple[str, bytes]) -> FleetError | None:
        thing_name, body = message

        def publish() -> None:
            with aws.translated(f"to send a message to {thing_name}"):
                self._client.publish(topic=self._topic_of(thing_name), qos=1, payload=body)

        return attempt(f"the message to {thing_name}", publish)


class Sessions:
    """The connections of devices. One client, safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._client = aws.client(_at_the_data_endpoint(settings), "iot-data")

    def cut(self, thing_name: str) -> bool:
        """End the device's connection and forget its session, last will included; False where there was none.

        Whoever is cut tries again at once: call it when the certificate is INACTIVE.
        """
        try:
            with aws.translated(f"to end the connection of {thing_name}"):
                self._client.delete_connection(clientId=thing_name, cleanSession=True, preventWillMessage=True)
        except NotFound:
            return False
        return True

    def keep_out(self, thing_name: str, looks: int = _LOOKS, every_s: float = _LOOKS_EVERY_S) -> int:
        """Cut it until it stays away for `looks` looks; returns how often it had to be. Raises `Unavailable` if not.

        IoT Core may let in for some seconds more what has just become INACTIVE.
        """
        cuts, away = 0, 0
        for _ in range(_MOST_LOOKS):
            was_there = self.cut(thing_name)
            cuts, away = cuts + was_there, 0 if was_there else away + 1
            if away == looks:
                return cuts
            time.sleep(every_s)
        raise Unavailable(f"{thing_name} connects again and again, though its certificate is inactive: run it again.")


def _at_the_data_endpoint(settings: Settings) -> Settings:
    """The settings with the account's own data endpoint, unless AWS is reached at one address for everything."""
    if settings.aws_endpoint_url:
        return settings
    host = settings.iot_endpoint or data_endpoint(settings)
    return settings.model_copy(update={"aws_endpoint_url": f"https://{host}"})
