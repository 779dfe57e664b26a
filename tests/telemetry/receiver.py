"""A place that traces are sent to: OTLP over HTTP, on a free loopback port."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Received:
    """A span that came."""

    name: str
    kind: str
    service: str
    trace_id: str
    span_id: str
    parent_id: str
    facts: dict[str, str]
    began_ns: int
    ended_ns: int


@dataclass
class Receiver:
    """Where to send them, and what has come."""

    url: str
    spans: list[Received] = field(default_factory=list)

    def of_trace(self, trace_id: str) -> dict[str, Received]:
        """The spans of a trace so far, by name."""
        return {span.name: span for span in tuple(self.spans) if span.trace_id == trace_id}


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.spans += _spans_of(body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/v1/traces")
    thread = threading.Thread(target=server.serve_forever, name="otlp")
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _spans_of(body: bytes) -> list[Received]:
    request = ExportTraceServiceRequest.FromString(body)
    found = []
    for resource in request.resource_spans:
        about = {fact.key: fact.value.string_value for fact in resource.resource.attributes}
        for scope in resource.scope_spans:
            found += [
                Received(
                    name=span.name,
                    kind=span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
                    service=about["service.name"],
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    facts={fact.key: fact.value.string_value for fact in span.attributes},
                    began_ns=span.start_time_unix_nano,
                    ended_ns=span.end_time_unix_nano,
                )
                for span in scope.spans
            ]
    return found
