"""Traces by OpenTelemetry, from a battery's message to its row: off unless an address is given.

The message carries its trace along as W3C's `traceparent`, in its JSON: MQTT's own properties end at IoT Core's rule.
What is sampled, and headers for the receiver, are OpenTelemetry's own settings (`OTEL_TRACES_SAMPLER`,
`OTEL_EXPORTER_OTLP_HEADERS`). The cloud follows what the device decided.

Its libraries are the extra `tracing`, and are imported where traces are on.
"""

from datetime import datetime
from functools import cache
from typing import Any, Literal, Protocol

from fleet.errors import InvalidInput, NotConfigured

Kind = Literal["PRODUCER", "CONSUMER", "INTERNAL"]
_EXPORT_S = 5.0
"""How long the receiver of traces may take; spans that it does not take are lost, and nothing waits for them."""


class Span(Protocol):
    """A piece of work whose begin is known. `traceparent` hands it on; empty: nobody follows it."""

    @property
    def traceparent(self) -> str: ...

    def end(self, at: datetime | None = None, problem: str = "") -> None:
        """It ended, now or `at` (UTC); with a `problem` it failed."""


class Traces(Protocol):
    """Where spans go. `is_on` False: nowhere, and nothing need be prepared for them."""

    @property
    def is_on(self) -> bool: ...

    def begin(
        self, name: str, kind: Kind, parent: str = "", at: datetime | None = None, **attributes: str | int
    ) -> Span:
        """A span that begins now or `at` (UTC), within what `parent` (a traceparent) says."""

    def is_followed(self, traceparent: object) -> bool:
        """Whether this, out of a message, is a traceparent of a trace that is being recorded. Never raises."""

    def close(self) -> None:
        """Send what is left, within seconds."""


class _NoSpan:
    traceparent = ""

    def end(self, at: datetime | None = None, problem: str = "") -> None:
        """Nothing."""


class NoTraces:
    """Traces that are off."""

    is_on = False

    def begin(
        self, name: str, kind: Kind, parent: str = "", at: datetime | None = None, **attributes: str | int
    ) -> Span:
        """A span that is none."""
        return _NoSpan()

    def is_followed(self, traceparent: object) -> bool:
        """None is."""
        return False

    def close(self) -> None:
        """Nothing."""


OFF = NoTraces()


@cache
def traces_to(url: str, service: str) -> Traces:
    """Traces of `service` to the OTLP/HTTP receiver at `url` (http://HOST:4318/v1/traces); empty: off.

    One for each process. Raises `NotConfigured` where the libraries are not installed, `InvalidInput` for an address
    that is none.
    """
    if not url:
        return OFF
    if not url.startswith(("http://", "https://")):
        raise InvalidInput(f"FLEET_TRACES_URL is {url!r}: use http://HOST:4318/v1/traces.")
    try:
        return _Otlp(url, service)
    except ModuleNotFoundError as error:
        raise NotConfigured(
            "Traces need OpenTelemetry: pip install 'flip-fleet[tracing]', or leave FLEET_TRACES_URL empty."
        ) from error


class _Otlp:
    is_on = True

    def __init__(self, url: str, service: str) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._trace, self._propagator = trace, TraceContextTextMapPropagator()
        # Not the process's own provider: Prefect and other libraries would send their spans by it too.
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=_EXPORT_S)))
        self._tracer = self._provider.get_tracer("flip-fleet")

    def begin(
        self, name: str, kind: Kind, parent: str = "", at: datetime | None = None, **attributes: str | int
    ) -> Span:
        context = self._context(parent) if parent else None
        named = {f"fleet.{key}": value for key, value in attributes.items()}
        kinds = self._trace.SpanKind
        span = self._tracer.start_span(name, context, kinds[kind], attributes=named, start_time=_nanoseconds(at))
        return _OtlpSpan(span, self._trace, self._propagator)

    def is_followed(self, traceparent: object) -> bool:
        if not isinstance(traceparent, str):
            return False
        context = self._trace.get_current_span(self._context(traceparent)).get_span_context()
        return bool(context.is_valid and context.trace_flags.sampled)

    def close(self) -> None:
        self._provider.force_flush(round(_EXPORT_S * 1000))

    def _context(self, traceparent: str) -> Any:
        return self._propagator.extract({"traceparent": traceparent})


class _OtlpSpan:
    def __init__(self, span: Any, trace: Any, propagator: Any) -> None:
        self._span, self._trace, self._propagator = span, trace, propagator

    @property
    def traceparent(self) -> str:
        if not self._span.is_recording():
            return ""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, self._trace.set_span_in_context(self._span))
        return carrier.get("traceparent", "")

    def end(self, at: datetime | None = None, problem: str = "") -> None:
        if problem:
            self._span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, problem))
        self._span.end(_nanoseconds(at))


def _nanoseconds(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1_000_000) * 1_000
