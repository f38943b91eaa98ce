"""One trace leads from a battery's message to its row, at a real receiver of OTLP; without an address there is none."""

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import connect
from fleet.errors import InvalidInput
from fleet.services.ingestion import Pace, ingest
from fleet.settings import Settings
from fleet.telemetry.message import DeviceMessage, QueueMessage, encode, parse
from fleet.tracing import OFF, traces_to
from tests.http_receiver import QuietHandler, serving
from tests.messages import body

needs_opentelemetry = pytest.mark.usefixtures("opentelemetry")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = f"{PARENT[:-1]}0"


@pytest.fixture
def opentelemetry() -> None:
    """Skips where the extra `tracing` is not installed: the lock has it."""
    pytest.importorskip("opentelemetry.sdk")


class Receiver:
    """Takes spans as a collector does."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.spans: list[dict[str, Any]] = []

    def take(self, request: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        for resource in ExportTraceServiceRequest.FromString(request).resource_spans:
            service = {one.key: one.value.string_value for one in resource.resource.attributes}["service.name"]
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                attributes = {one.key: one.value.string_value or one.value.int_value for one in span.attributes}
                times = {"begun": span.start_time_unix_nano, "ended": span.end_time_unix_nano}
                ids = {"trace": span.trace_id.hex(), "id": span.span_id.hex(), "parent": span.parent_span_id.hex()}
                self.spans.append({"service": service, "name": span.name, **ids, **times, **attributes})

    def wait(self, count: int, seconds: float = 20) -> list[dict[str, Any]]:
        deadline = time.monotonic() + seconds
        while len(self.spans) < count:
            assert time.monotonic() < deadline, self.spans
            time.sleep(0.05)
        return sorted(self.spans, key=lambda span: span["begun"])


@pytest.fixture
def receiver(opentelemetry: None) -> Iterator[Receiver]:
    class Handler(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802 - the library calls it so
            text = self.posted()
            taken.take(gzip.decompress(text) if self.headers.get("Content-Encoding") == "gzip" else text)

    with serving(Handler) as address:
        taken = Receiver(f"{address}/v1/traces")
        yield taken


@pytest.mark.integration
def test_one_trace_leads_from_the_agent_to_the_row(
    cloud: Any, start_agent: Any, receiver: Receiver, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_TRACES_URL", receiver.url)
    folder = cloud.new_device()
    with connect(database) as connection:
        add = "INSERT INTO fleet.devices (thing_name, model, key_on_device) VALUES (%s, '', true)"
        connection.execute(add, [folder.name])
    agent = start_agent("run", folder, "--once")
    assert agent.process.wait(timeout=30) == 0
    traces = traces_to(receiver.url, "ingestion")
    with connect(database) as connection, Queue(cloud.settings, cloud.queue_url.rsplit("/", 1)[1]) as queue:
        while not ingest(queue, connection, 2, Pace(10, 1), traces=traces).samples:
            pass
        rows = connection.execute("SELECT thing_name, sequence FROM fleet.telemetry ORDER BY sequence").fetchall()
    traces.close()

    spans = [span for span in receiver.wait(3) if span["fleet.thing_name"] == folder.name]
    publish = next(span for span in spans if span["name"] == "publish" and span["fleet.first_sequence"] == 1)
    mine = {span["name"]: span for span in spans if span["trace"] == publish["trace"]}
    receive, store = mine["receive"], mine["store"]
    assert (publish["parent"], receive["parent"], store["parent"]) == ("", publish["id"], receive["id"])
    assert (publish["service"], receive["service"], store["service"]) == ("device-agent", "ingestion", "ingestion")
    assert all(span["begun"] <= span["ended"] for span in mine.values())
    assert receive["ended"] == store["begun"]
    sequences = range(store["fleet.first_sequence"], store["fleet.last_sequence"] + 1)
    assert {row["sequence"] for row in rows} >= set(sequences)
    assert {row["thing_name"] for row in rows} == {store["fleet.thing_name"]}


@needs_opentelemetry
def test_what_a_device_calls_a_trace_costs_no_message_and_starts_no_trace(receiver: Receiver) -> None:
    traces = traces_to(receiver.url, "ingestion-of-strange-messages")
    for strange in (None, 7, "", "nonsense", [PARENT], {"a": 1}, "00-" + "0" * 32 + "-" + "0" * 16 + "-01", UNSAMPLED):
        message = parse(body(traceparent=strange))
        assert isinstance(message, QueueMessage) and len(message.samples) == 1, strange
        assert not traces.is_followed(message.traceparent), strange
    message = parse(body(traceparent=PARENT))
    assert isinstance(message, QueueMessage) and traces.is_followed(message.traceparent)


@needs_opentelemetry
def test_a_failed_publish_is_a_failed_span_and_an_unsampled_one_is_nobodys(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    traces = traces_to(receiver.url, "agent-that-fails")
    span = traces.begin("publish", "PRODUCER", thing_name="battery-1", first_sequence=1)
    assert traces.is_followed(span.traceparent)
    span.end(problem="the broker answered QUOTA_EXCEEDED")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    silent = traces_to(receiver.url, "agent-that-takes-none")
    assert silent.begin("publish", "PRODUCER").traceparent == ""
    traces.close()
    assert [one["name"] for one in receiver.wait(1)] == ["publish"]


@needs_opentelemetry
def test_a_receiver_that_is_not_there_holds_nothing_up() -> None:
    traces = traces_to("http://127.0.0.1:9/v1/traces", "lonely")
    begun = time.monotonic()
    for _ in range(100):
        traces.begin("publish", "PRODUCER").end()
    assert time.monotonic() - begun < 1
    traces.close()
    assert time.monotonic() - begun < 12


def test_without_an_address_nothing_is_traced_loaded_or_sent() -> None:
    program = (
        "import sys; from fleet.tracing import traces_to; import device_agent.main;"
        "span = traces_to('', 'x').begin('publish', 'PRODUCER', at=None); span.end();"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"
    assert not OFF.is_on and not OFF.is_followed(PARENT)
    sent = json.loads(encode(DeviceMessage(boot_id="boot", blocks=[])))
    assert "traceparent" not in sent, "and the message is as it was"


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="use http://HOST:4318/v1/traces"):
        traces_to("localhost:4318", "x")


def test_a_message_of_an_agent_that_traces_is_as_good_as_any_other() -> None:
    traced = json.loads(encode(DeviceMessage(boot_id="boot", blocks=[], traceparent=PARENT)))
    assert traced["traceparent"] == PARENT and traced["schema"] == 2
    message = parse(body(traceparent=PARENT, received_at_ms=int(datetime.now(UTC).timestamp() * 1000)))
    assert isinstance(message, QueueMessage) and message.schema == 1
