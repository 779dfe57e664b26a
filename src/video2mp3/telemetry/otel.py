"""Records and exports spans with OpenTelemetry. Only `tracing` imports this, and only if traces are configured.

OpenTelemetry's variables apply: `OTEL_TRACES_SAMPLER`, `OTEL_EXPORTER_OTLP_HEADERS` and so on.
"""

import threading

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import SpanKind, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.trace.status import StatusCode

from video2mp3 import __version__

_EXPORT_S = 5
"""Longest time for exporting one batch, and for the remaining spans at the end of the process."""
_KINDS = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
_propagator = TraceContextTextMapPropagator()


class RecordedSpan:
    """A recorded span."""

    def __init__(self, span: OtelSpan) -> None:
        carrier: dict[str, str] = {}
        _propagator.inject(carrier, set_span_in_context(span))
        self.traceparent = carrier["traceparent"]
        self._span = span

    def rename(self, name: str) -> None:
        """See `tracing.Span`."""
        self._span.update_name(name)

    def set_attribute(self, name: str, value: str | int | float | bool) -> None:
        """See `tracing.Span`."""
        self._span.set_attribute(name, value)

    def fail(self, code: str) -> None:
        """Marks the span as failed."""
        self._span.set_attribute("error.type", code)
        self._span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        """Ends the span; another thread exports it soon."""
        self._span.end()


class SpanExporter:
    """Records spans and exports them in batches from a separate thread; drops spans that cannot be sent."""

    def __init__(self, url: str, role: str) -> None:
        facts = {"service.name": f"video2mp3-{role}", "service.version": __version__}
        self._provider = TracerProvider(resource=Resource.create(facts), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=_EXPORT_S)))
        self._tracer = self._provider.get_tracer("video2mp3", __version__)

    def begin(self, name: str, kind: str, parent: str | None, started_ns: int | None) -> RecordedSpan:
        """Begins a span; see `tracing.span`."""
        context = _propagator.extract({"traceparent": parent}) if parent else None
        span = self._tracer.start_span(name, context, _KINDS[kind], start_time=started_ns)
        return RecordedSpan(span)

    def close(self) -> None:
        """Exports the remaining spans, within a few seconds."""
        ending = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        ending.start()
        ending.join(_EXPORT_S)
