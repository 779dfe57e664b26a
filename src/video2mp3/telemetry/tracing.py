"""Traces: one id from a request to the last log line that its job leads to, in whatever process.

The id travels as a `traceparent` (W3C Trace Context, level 1): in the request's header, in the job's row and in the
broker's messages. It is there whether or not spans are sent anywhere, for the logs. Spans are sent once `exported` is
entered with an address; only then OpenTelemetry is loaded.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal

from structlog.contextvars import bound_contextvars, get_contextvars

if TYPE_CHECKING:
    from video2mp3.telemetry.otel import Exporter, Recorded

Kind = Literal["internal", "server", "producer", "consumer"]
Value = str | int | float | bool

HEADER = "traceparent"
"""Of requests and of messages."""

# Of a later version, what this one does not know may follow.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

_current: ContextVar[str | None] = ContextVar("traceparent", default=None)
_exporter: "Exporter | None" = None


class Span:
    """A step of a trace."""

    def __init__(self, traceparent: str, recorded: "Recorded | None") -> None:
        self.traceparent = traceparent
        """What a step that this one leads to has as its parent."""
        self._recorded = recorded

    def rename(self, name: str) -> None:
        """Gives it the name that was not known when it began."""
        if self._recorded:
            self._recorded.rename(name)

    def note(self, name: str, value: Value) -> None:
        """Adds a fact. Never one that a user sent."""
        if self._recorded:
            self._recorded.note(name, value)


@contextmanager
def span(
    name: str, *, kind: Kind = "internal", parent: str | None = None, started_ns: int | None = None
) -> Iterator[Span]:
    """A step that lasts as long as the block; what is logged within has its `trace_id`.

    Args:
        name: Of few that there are: no ids in it.
        kind: What it is to its parent.
        parent: A `traceparent`, of another process for example; None: the step around this one. Without either it
            begins a trace.
        started_ns: Nanoseconds since 1970, where it began earlier.
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
    """Returns the `traceparent` of the step that runs here; None where there is none."""
    return _current.get()


def request_id() -> str | None:
    """Returns the id of the request that is served here; None where there is none."""
    found = get_contextvars().get("request_id")
    return found if isinstance(found, str) else None


def parse(header: str | None) -> str | None:
    """Returns a `traceparent` that somebody sent, in the form of this version; None when it is not valid."""
    match = _TRACEPARENT.fullmatch(header or "")
    if match is None or (match[1] == "00" and match[5]):
        return None
    return f"00-{match[2]}-{match[3]}-{match[4]}"


def nearest(sent: str | None, kept: str | None) -> str | None:
    """Returns the parent for what a message leads to: the step that sent it where that is of the trace that was kept.

    The row is the truth: whoever can publish messages cannot lead a job into another trace.
    """
    if sent and kept and trace_id_of(sent) == trace_id_of(kept):
        return sent
    return kept


def trace_id_of(traceparent: str) -> str:
    """Returns the part that all steps have in common: 32 hex digits."""
    return traceparent[3:35]


@contextmanager
def exported(url: str, role: str) -> Iterator[None]:
    """Sends the spans of this process to an OTLP/HTTP address until the end of the block; empty: sends none."""
    global _exporter
    if not url:
        yield
        return
    # Not loaded where nobody wants it.
    from video2mp3.telemetry.otel import Exporter

    _exporter = Exporter(url, role)
    try:
        yield
    finally:
        exporter, _exporter = _exporter, None
        exporter.close()


def _begun() -> str:
    """Returns a new one. Not sampled: nobody has recorded where it began."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
