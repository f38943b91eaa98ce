"""Where a worker in a container gets its credentials, which are over soon, and which fails when it is told to.

The protocol is that of the SDKs' container credential provider (AWS SDKs and tools reference guide, "Container
credential provider"); the credentials are real ones of STS.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

from fleet.adapters import aws
from fleet.settings import Settings
from tests.http_receiver import QuietHandler, serving

LIFETIME_S = 5.0
"""Not less than 900 at AWS: what it says of keys that are over comes from `has_expired`."""


class ExpiringCredentials:
    """Served at `url`: new ones before the last are over; the last ones even so; or an error."""

    def __init__(self, settings: Settings) -> None:
        self._sts = aws.client(settings, "sts")
        self._ends: dict[str, float] = {}
        self._body, self._end = b"", 0.0
        self.url = ""
        self.gives: Literal["new", "old", "an error"] = "new"

    def has_expired(self, access_key: str) -> bool:
        """Whether these are over."""
        return self._ends.get(access_key, 0.0) <= time.time()

    @property
    def given(self) -> int:
        """How many different ones."""
        return len(self._ends)

    def answer(self) -> tuple[int, bytes]:
        """Status and body."""
        if self.gives == "an error":
            return 500, b"{}"
        if not self._body or (self.gives == "new" and self._end - time.time() < LIFETIME_S / 2):
            made = self._sts.get_session_token(DurationSeconds=900)["Credentials"]
            self._end = self._ends[made["AccessKeyId"]] = time.time() + LIFETIME_S
            expiration = datetime.fromtimestamp(self._end, UTC).isoformat().replace("+00:00", "Z")
            keys = {"AccessKeyId": made["AccessKeyId"], "SecretAccessKey": made["SecretAccessKey"]}
            self._body = json.dumps({**keys, "Token": made["SessionToken"], "Expiration": expiration}).encode()
        return 200, self._body


@contextmanager
def expiring_credentials(settings: Settings) -> Iterator[ExpiringCredentials]:
    """Of whom the settings' keys belong to."""
    made = ExpiringCredentials(settings)

    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802
            status, body = made.answer()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as made.url:
        yield made
