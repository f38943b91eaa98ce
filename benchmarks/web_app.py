"""What homeowners cost the web app, signed in: CPU a view and of an open page, and how long many at once wait.

    python -m benchmarks.web_app [--at-once 200] [--open 20] [--seconds 20]

The app is the real one in a process of its own, on one core; the Supabase stand-in and a PostgreSQL of this benchmark's
own have the others. Visitors are WebSockets that do what a browser does: parts of a page ask anew by themselves.
Before: Streamlit's own setting, a garbage collection after every run of a script.
"""

import argparse
import asyncio
import json
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import msgspec
import websockets
from pydantic import SecretStr
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from supabase import ClientOptions, create_client

from benchmarks.database import throwaway_project
from benchmarks.processes import cpu_s, free_port, memory_mb
from cli.tables import print_table
from fleet.adapters.postgres import Connection, connect
from fleet.adapters.postgres.app_credentials import add_app_credential
from fleet.adapters.postgres.migrations import ensure_partitions
from fleet.adapters.postgres.rollups import roll_up
from fleet.adapters.postgres.telemetry import Received, store
from fleet.adapters.supabase import sessions
from fleet.settings import Settings
from fleet.telemetry.blocks import blocks_of
from fleet.telemetry.message import DeviceMessage, encode, parse
from fleet.telemetry.sample import Mode, Sample
from local_cloud import servers
from local_cloud.supabase.keys import read_keys
from streamlit_app.cookie import cookie_name
from streamlit_app.session_store import SessionStore, Tokens

T = TypeVar("T")
HOMES = 8
PAGES = {"home": "", "battery": "battery", "programs": "programs", "events": "events"}
VIEWS = 20
_WARMING = 5
_PATIENCE_S = 120
WAYS = {"before": {"STREAMLIT_RUNNER_POST_SCRIPT_GC": "true"}, "now": {}}
"""What each way has in its environment; the rest is the app's own configuration."""


@dataclass(frozen=True)
class App:
    """A running web app: its address, its process, and the cookie of somebody who is signed in, one a home."""

    url: str
    pid: int
    cookies: Sequence[str]


@dataclass
class View:
    """A page as it was delivered: seconds until its first content and until it was whole, and what asks anew."""

    first_s: float = 0.0
    whole_s: float = 0.0
    asks_anew: dict[str, float] = field(default_factory=dict)
    """Seconds between two, by the fragment's id."""
    text: bytes = b""


class Visitor:
    """A browser's tab, without the browser. `page` is the path of one of the app's pages."""

    def __init__(self, app: App, number: int, page: str) -> None:
        self._app, self._page = app, page
        self._cookie = app.cookies[number % len(app.cookies)]
        self._begun = time.perf_counter()

    async def __aenter__(self) -> "Visitor":
        self._socket = await websockets.connect(
            f"{self._app.url.replace('http', 'ws')}/_stcore/stream",
            subprotocols=["streamlit"],  # type: ignore[list-item]
            additional_headers={"Cookie": self._cookie},
            origin=self._app.url,  # type: ignore[arg-type]
            proxy=None,
            max_size=None,
            ping_interval=None,  # a server that is behind is waited for
            open_timeout=_PATIENCE_S,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()

    async def view(self) -> View:
        """Ask for the page, and wait until it is whole."""
        return await asyncio.wait_for(self._ask(""), _PATIENCE_S)

    async def stay(self, view: View, seconds: float) -> int:
        """Keep the page open for so long, as a browser does; how often its parts asked anew."""
        end, asked = time.perf_counter() + seconds, 0
        due = {fragment: time.perf_counter() + every_s for fragment, every_s in view.asks_anew.items()}
        while due and (at := min(due.values())) < end:
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            fragment = min(due, key=lambda each: due[each])
            await asyncio.wait_for(self._ask(fragment), _PATIENCE_S)
            due[fragment], asked = at + view.asks_anew[fragment], asked + 1
        await asyncio.sleep(max(0.0, end - time.perf_counter()))
        return asked

    async def _ask(self, fragment: str) -> View:
        message, found = BackMsg(), View()
        message.rerun_script.page_name = self._page
        message.rerun_script.fragment_id = fragment
        message.rerun_script.is_auto_rerun = bool(fragment)
        message.rerun_script.context_info.timezone = "America/Los_Angeles"
        await self._socket.send(message.SerializeToString())
        while True:
            raw = await self._socket.recv()
            assert isinstance(raw, bytes)
            answer = ForwardMsg.FromString(raw)
            kind = answer.WhichOneof("type")
            found.text += raw
            if kind == "delta" and not found.first_s and answer.metadata.delta_path[0] == 0:
                found.first_s = time.perf_counter() - self._begun
            elif kind == "auto_rerun":
                found.asks_anew[answer.auto_rerun.fragment_id] = answer.auto_rerun.interval
            elif kind == "page_not_found":
                raise AssertionError(f"there is no page {self._page!r}")
            elif kind == "script_finished":
                found.whole_s = time.perf_counter() - self._begun
                return found


def main() -> None:
    """Measure both ways, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at-once", type=int, default=200)
    parser.add_argument("--open", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=20)
    given = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="flip-fleet-benchmark-") as folder, _project(Path(folder)) as settings:
        with connect(settings) as connection:
            homes = _sign_in_homes(connection, settings, Path(folder))
        for way, environment in WAYS.items():
            with _app(settings, Path(folder) / way, homes, environment) as app:
                found[way] = asyncio.run(_measure(app, given.at_once, given.open, given.seconds))
    print_table([{"what": what, **{way: found[way][what] for way in found}} for what in found["now"]], empty="")
    line = {"benchmark": "web_app", "at_once": given.at_once, "open": given.open, **found["now"]}
    print(json.dumps(line | {f"before_{what}": value for what, value in found["before"].items()}))


async def _measure(app: App, at_once: int, stay_open: int, seconds: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, page in PAGES.items():
        await _one_by_one(app, page, _WARMING)
        before = cpu_s(app.pid)
        await _one_by_one(app, page, VIEWS)
        figures[f"{name}_cpu_ms_a_view"] = round((cpu_s(app.pid) - before) / VIEWS * 1000, 1)
    for name in ("home", "battery"):
        figures[f"{name}_open_cpu_ms_a_second"] = await _open(app, PAGES[name], stay_open, seconds)
    views = await _all(_once(app, number, PAGES["home"]) for number in range(at_once))
    figures["at_once_first_content_p95_s"] = _p95([view.first_s for view in views])
    figures["at_once_whole_p95_s"] = _p95([view.whole_s for view in views])
    figures["memory_mb"] = memory_mb(app.pid)
    return figures


async def _one_by_one(app: App, page: str, count: int) -> None:
    for number in range(count):
        await _once(app, number, page)


async def _once(app: App, number: int, page: str) -> View:
    async with Visitor(app, number, page) as visitor:
        view = await visitor.view()
    assert b"Sign in to see" not in view.text, "nobody is signed in"
    return view


async def _open(app: App, page: str, count: int, seconds: int) -> float:
    """Milliseconds of CPU a second that one open page costs: of `count` at once, whose first views do not count."""
    visitors = [Visitor(app, number, page) for number in range(count)]
    try:
        await _all(visitor.__aenter__() for visitor in visitors)
        views = await _all(visitor.view() for visitor in visitors)
        before, begun = cpu_s(app.pid), time.perf_counter()
        asked = await _all(visitor.stay(view, seconds) for visitor, view in zip(visitors, views, strict=True))
        assert min(asked), "an open page never asked anew"
        return round((cpu_s(app.pid) - before) / (time.perf_counter() - begun) / count * 1000, 1)
    finally:
        await _all(visitor.__aexit__() for visitor in visitors)


async def _all(each: Iterable[Awaitable[T]]) -> list[T]:
    return list(await asyncio.gather(*each))


def _p95(values: Sequence[float]) -> float:
    return round(statistics.quantiles(values, n=20)[-1], 2)


@contextmanager
def _project(folder: Path) -> Iterator[Settings]:
    """A Supabase project of this benchmark's own, and the credential of a web app. It leaves a core to the app."""
    port, web_port = free_port(), free_port()
    base_url = f"http://127.0.0.1:{web_port}"
    os.sched_setaffinity(0, set(list(os.sched_getaffinity(0))[1:]) or os.sched_getaffinity(0))
    with throwaway_project() as database:
        settings = database.model_copy(update={"base_url": base_url})
        with servers.supabase(folder / "supabase", folder / "logs", port, settings, base_url):
            keys, credential = read_keys(folder / "supabase"), SecretStr(secrets.token_urlsafe(32))
            with connect(settings) as connection:
                add_app_credential(connection, "benchmark", credential)
                connection.commit()
            reached = {"supabase_url": f"http://127.0.0.1:{port}", "supabase_anon_key": SecretStr(keys.anon_key)}
            yield settings.model_copy(update={**reached, "app_credential": credential})


def _sign_in_homes(connection: Connection, settings: Settings, folder: Path) -> list[Tokens]:
    """Households with a battery and its last day each, all of them signed in."""
    options = ClientOptions(flow_type="implicit", auto_refresh_token=False)
    key = read_keys(folder / "supabase").service_role_key
    admin, found = create_client(settings.supabase_url, key, options).auth.admin, list[Tokens]()
    ensure_partitions(connection, datetime.now(UTC).date(), 2)
    connection.execute("SELECT fleet.ensure_telemetry_partition((now() - interval '1 day')::date)")
    for number in range(HOMES):
        email, thing = f"home-{number}@example.com", f"battery-{number}"
        code = admin.generate_link({"type": "magiclink", "email": email}).properties.email_otp
        home = sessions.sign_in_with_code(sessions.anon_client(settings), email, code)
        found.append(Tokens(home.access_token, home.refresh_token))
        connection.execute(
            "INSERT INTO fleet.devices"
            " (thing_name, model, key_on_device, step, certificate_requested_at, certificate_id)"
            " VALUES (%s, 'home-13', false, 'done', now(), md5(%s))", [thing, thing],
        )  # fmt: skip
        connection.execute(
            "WITH site AS"
            " (INSERT INTO fleet.sites (owner_id, state_code, zip_code) VALUES (%s, 'CA', '94105') RETURNING *)"
            " INSERT INTO fleet.registrations (thing_name, owner_id, certificate_id, registered_by, link_id, site_id,"
            " commission_status, commissioned_at)"
            " SELECT %s, owner_id, 'c', 'link', %s, site_id, 'commissioned', now() FROM site",
            [home.user_id, thing, thing],
        )
        message = _last_day(thing, datetime.now(UTC))
        store(connection, [(Received(thing, message, None), parse(message))])
    roll_up(connection)
    return found


def _last_day(thing: str, now: datetime) -> bytes:
    """A sample each two minutes."""
    samples = [
        Sample(
            number + 1, now - timedelta(minutes=2 * (720 - number)), Mode.SELF_CONSUMPTION, 1500.0, 0.0,
            100.0 + number, 50.0, 6750.0, 13500.0, round(30 + number / 15, 2), 20.0, True, 500.0, 1000.0 + number,
            2000.0, 4000.0 + number,
        )
        for number in range(720)
    ]  # fmt: skip
    message = msgspec.json.decode(encode(DeviceMessage(boot_id="boot", blocks=blocks_of(samples))))
    said = {"thing_name": thing, "received_at_ms": round(now.timestamp() * 1000), "client_id": thing}
    return msgspec.json.encode({**message, **said})


@contextmanager
def _app(settings: Settings, state: Path, homes: Sequence[Tokens], environment: Mapping[str, str]) -> Iterator[App]:
    """The web app on a core of its own."""
    store_of_sessions = SessionStore(state / "web" / "sessions.db")
    cookies = [f"{cookie_name(settings)}={store_of_sessions.open(tokens, time.time())}" for tokens in homes]
    store_of_sessions.close()
    ours, port = os.sched_getaffinity(0), int(settings.base_url.rpartition(":")[2])
    server = servers.web(settings, state, state / "logs", port)
    os.sched_setaffinity(0, {0})  # a process has its parent's
    try:
        with patch.dict(os.environ, environment):
            server.start()
    finally:
        os.sched_setaffinity(0, ours)
    try:
        yield App(settings.base_url, server.process.pid, cookies)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
