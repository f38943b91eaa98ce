"""A process that takes runs waits for Prefect, and says in a sentence why it does not start."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.automations import NO_PAUSE
from flows.starting import begin_what_must_not_pause, wait_for_prefect
from flows.work import taken_from
from tests.conftest import free_port


@contextmanager
def prefect_at(port: int) -> Iterator[None]:
    settings = {PREFECT_API_URL: f"http://127.0.0.1:{port}/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(updates=settings):
        yield


@contextmanager
def answering(port: int, *statuses: int) -> Iterator[list[str]]:
    """A server that answers with these, the last one for ever; the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body, is_ours = b"[]", "csrf" not in self.path
            if is_ours:
                asked.append(self.path)
            self.send_response(statuses[min(len(asked), len(statuses)) - 1] if is_ours else 404)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield asked
    server.shutdown()
    serving.join()
    server.server_close()


def test_a_server_that_is_still_starting_is_waited_for() -> None:
    port = free_port()
    with prefect_at(port), answering(port, 503, 500, 200) as asked:
        wait_for_prefect(20)
        assert len(asked) == 3


def test_one_that_is_not_there_ends_the_process_with_what_to_do() -> None:
    with prefect_at(free_port()), pytest.raises(SystemExit, match="does not answer: start the Prefect server, or"):
        wait_for_prefect(0.5)


@pytest.mark.parametrize("status", [401, 403])
def test_one_that_does_not_know_us_ends_the_process_at_once(status: int) -> None:
    port = free_port()
    with prefect_at(port), answering(port, status), pytest.raises(SystemExit, match="set PREFECT_API_AUTH_STRING"):
        wait_for_prefect(600)


@pytest.mark.integration
@pytest.mark.slow
def test_what_must_not_pause_is_begun_once_where_its_pool_and_queue_are_served(prefect_server: Any) -> None:
    prefect_server.post("/work_pools/", name="at-once", type="process", base_job_template={})
    flow = prefect_server.post("/flows/", name="at-once")["id"]

    def deployed(name: str, *tags: str, queue: str = "default", paused: bool = False) -> None:
        place = {"work_pool_name": "at-once", "work_queue_name": queue}
        prefect_server.post("/deployments/", name=name, flow_id=flow, tags=list(tags), paused=paused, **place)

    deployed("here", NO_PAUSE)
    deployed("elsewhere", NO_PAUSE, queue="another")
    deployed("stopped", NO_PAUSE, paused=True)
    deployed("by its schedule alone")
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        assert begin_what_must_not_pause("of-others") == []
        assert begin_what_must_not_pause("at-once", ["default"]) == ["here"]
        assert begin_what_must_not_pause("at-once") == ["elsewhere"], "its run waits to be taken already"


def test_pool_and_queues_are_read_as_a_worker_is_given_them() -> None:
    assert taken_from(["--pool", "fleet", "--limit", "8", "--type", "process"]) == ("fleet", [])
    assert taken_from(["-p", "fleet", "-q", "a", "--work-queue", "b", "--run-once"]) == ("fleet", ["a", "b"])
