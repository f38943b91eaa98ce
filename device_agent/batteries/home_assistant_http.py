"""A battery behind Home Assistant's REST API: a template for whatever is asked over HTTP.

`GET /api/states/ENTITY` answers a state with its unit; `POST /api/services/script/turn_on` starts a script and does not
wait for its end, as a call of the script by its own name would. That of a script which is not there is answered as one
that is (200, github.com/home-assistant/core/pull/31427), hence the look at its state before.
"""

import json
from contextlib import closing
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from device_agent.batteries.contract import Capabilities, Control, Driver, Place
from device_agent.batteries.home_assistant import NO_STATES, RELEASE, UNKNOWN, Home, home_in, secret_beside
from fleet.errors import InvalidInput, NotConfigured, Refused, Unavailable

_SOCKET_S = 10.0
"""A thread that the agent has given up comes back after so long."""


class HttpHome(Home, frozen=True, kw_only=True):
    """`url` as http://homeassistant.local:8123; `token_file` holds a long-lived access token."""

    url: str
    token_file: str
    script: str


def open_battery(address: str, place: Place) -> "OverHttp":
    """The driver `home-assistant-http`; its address is the path of a file. Raises what reading that raises."""
    home = home_in(address, place, HttpHome)
    if urlsplit(home.url).scheme not in ("http", "https") or not urlsplit(home.url).hostname:
        raise InvalidInput(f"{home.url[:80]!r} is no address of a Home Assistant: http://HOST:8123 is one.")
    return OverHttp(home, secret_beside(address, place, home.token_file))


class OverHttp(Driver):
    """Asks for each entity when it is read; the home's script is told."""

    def __init__(self, home: HttpHome, token: str) -> None:
        self._home, self._url = home, urlsplit(home.url)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def capabilities(self) -> Capabilities:
        return self._home.capabilities()

    def read(self) -> dict[str, object]:
        with closing(self._connection()) as connection:
            return self._home.read(lambda entity: self._state(connection, entity))

    def obey(self, control: Control) -> None:
        self._tell(self._home.told(control))

    def release(self) -> None:
        self._tell(RELEASE)

    def _state(self, connection: HTTPConnection, entity: str) -> tuple[str, str]:
        status, found = self._ask(connection, "GET", f"/api/states/{entity}")
        if status == 404:
            return UNKNOWN, ""
        return str(found["state"]), str(found["attributes"].get("unit_of_measurement", ""))

    def _tell(self, variables: dict[str, object]) -> None:
        script = self._home.script
        body = json.dumps({"entity_id": script, "variables": variables})
        with closing(self._connection()) as connection:
            state, _ = self._state(connection, script)
            if state in NO_STATES:
                raise NotConfigured(f"Home Assistant has no {script} that runs: docs/drivers.md shows such a script.")
            self._ask(connection, "POST", "/api/services/script/turn_on", body)

    def _connection(self) -> HTTPConnection:
        kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
        return kind(str(self._url.hostname), self._url.port, timeout=_SOCKET_S)

    def _ask(self, connection: HTTPConnection, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        connection.request(method, self._url.path.rstrip("/") + path, body, self._headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status == 401:
            raise Refused("Home Assistant does not take the token: make a long-lived access token and put it there.")
        if answer.status != 200 and (method, answer.status) != ("GET", 404):
            raise Unavailable(f"Home Assistant answered {answer.status} to {method} {path}.")
        return answer.status, json.loads(content)
