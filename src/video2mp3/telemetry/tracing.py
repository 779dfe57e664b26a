"""Traces: one id links a request with all log lines of its job, in every process.

The id travels as a `traceparent` (W3C Trace Context, level 1): in the request's header, in the job's row and in the
broker's messages. Logs have it even if no spans are exported. Spans are exported while `export_spans` with a URL is
active; OpenTelemetry is loaded only then.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal

from structlog.contextvars import bound_contextvars, get_contextvars

if TYPE_CHECKING:
    from video2mp3.telemetry.otel import RecordedSpan, SpanExporter

Kind = Literal["internal", "server", "producer", "consumer"]
Value = str | int | float | bool

HEADER = "traceparent"
"""Header of requests and messages."""

# Later versions may append fields.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

_current: ContextVar[str | None] = ContextVar("traceparent", default=None)
_exporter: "SpanExporter | None" = None


class Span:
    """A span of a trace."""

    def __init__(self, traceparent: str, recorded: "RecordedSpan | None") -> None:
        self.traceparent = traceparent
        """The parent for child spans."""
        self._recorded = recorded

    def rename(self, name: str) -> None:
        """Sets the name, which was not known at the start."""
        if self._recorded:
            self._recorded.rename(name)

    def set_attribute(self, name: str, value: Value) -> None:
        """Adds an attribute; never pass values from users."""
        if self._recorded:
            self._recorded.set_attribute(name, value)


@contextmanager
def span(
    name: str, *, kind: Kind = "internal", parent: str | None = None, started_ns: int | None = None
) -> Iterator[Span]:
    """Records a span for the block; log lines within it have its `trace_id`.

    Args:
        name: A name of low cardinality, without ids.
        kind: The OpenTelemetry kind.
        parent: A `traceparent`, for example of another process; None: the enclosing span. Without either, the span
            starts a trace.
        started_ns: Start in nanoseconds since 1970, if the span started earlier.
    """
    outer = parent or _current.get()
    recorded = _exporter.begin(name, kind, outer, started_ns) if _exporter else None
    traceparent = recorded.traceparent if recorded else outer or _begun()
    token = _current.set(traceparent)
    try:
        with bound_contextvars(trace_id=trace_id_of(traceparent)):
            yield Span(traceparent, recorded)
    except BaseException as error:
        if recorded:
            recorded.fail(getattr(error, "code", type(error).__name__))
        raise
    finally:
        _current.reset(token)
        if recorded:
            recorded.end()


def current() -> str | None:
    """Returns the `traceparent` of the current span, or None."""
    return _current.get()


def request_id() -> str | None:
    """Returns the id of the current request, or None."""
    found = get_contextvars().get("request_id")
    return found if isinstance(found, str) else None


def parse(header: str | None) -> str | None:
    """Returns a received `traceparent` in the format of this version; None if it is invalid."""
    match = _TRACEPARENT.fullmatch(header or "")
    if match is None or (match[1] == "00" and match[5]):
        return None
    return f"00-{match[2]}-{match[3]}-{match[4]}"


def nearest(sent: str | None, kept: str | None) -> str | None:
    """Returns the message's `traceparent` if it belongs to the trace in the row, else the row's.

    The row decides, so that a forged message cannot move a job into another trace.
    """
    if sent and kept and trace_id_of(sent) == trace_id_of(kept):
        return sent
    return kept


def trace_id_of(traceparent: str) -> str:
    """Returns the trace id: 32 hex digits."""
    return traceparent[3:35]


@contextmanager
def export_spans(url: str, role: str) -> Iterator[None]:
    """Exports this process's spans to an OTLP/HTTP URL until the end of the block; exports none if it is empty."""
    global _exporter
    if not url:
        yield
        return
    # Imported only if traces are configured.
    from video2mp3.telemetry.otel import SpanExporter

    _exporter = SpanExporter(url, role)
    try:
        yield
    finally:
        exporter, _exporter = _exporter, None
        exporter.close()


def _begun() -> str:
    """Returns a new `traceparent`, not sampled, because no span was recorded for it."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
