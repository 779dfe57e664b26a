"""What is carried from process to process, with and without spans being sent."""

import subprocess
import sys
import time

import pytest
from structlog.contextvars import get_contextvars

from tests.servers import free_port, wait_until
from tests.telemetry.receiver import receiving
from video2mp3.errors import UnsupportedFormat
from video2mp3.telemetry import tracing

SENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("header", "parsed"),
    [
        (SENT, SENT),
        (SENT.replace("00-", "cc-", 1) + "-what-comes-one-day", SENT),
        (f"{SENT}-more", None),
        (SENT.upper(), None),
        (SENT.replace("00-", "ff-", 1), None),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", None),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", None),
        (f"{SENT}\n", None),
        ("", None),
        (None, None),
    ],
)
def test_only_what_the_standard_allows_is_taken(header: str | None, parsed: str | None) -> None:
    """It should be as W3C Trace Context, section 3.2, has it."""
    assert tracing.parse(header) == parsed


def test_a_trace_goes_on_where_nothing_is_sent() -> None:
    """It should keep the id that came, or draw one, and let all that is logged within have it."""
    with tracing.span("outer", parent=SENT) as outer, tracing.span("inner"):
        assert tracing.current() == outer.traceparent == SENT
        assert get_contextvars()["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert tracing.current() is None
    assert "trace_id" not in get_contextvars()
    with tracing.span("one") as one, tracing.span("the same"):
        assert tracing.parse(one.traceparent) == tracing.current()
    with tracing.span("another") as another:
        assert tracing.trace_id_of(another.traceparent) != tracing.trace_id_of(one.traceparent)


def test_a_message_cannot_lead_a_job_into_another_trace() -> None:
    """It should take the message's step for the parent only where it belongs to the trace in the row."""
    kept = SENT.replace("b7ad6b7169203331", "00f067aa0ba902b7")
    assert tracing.nearest(SENT, kept) == SENT
    assert tracing.nearest(SENT.replace("0af7", "ffff"), kept) == kept
    assert tracing.nearest(None, kept) == kept
    assert tracing.nearest(SENT, None) is None


def test_spans_are_sent_with_their_parents_and_errors() -> None:
    """It should send them at the latest when it ends, and give what comes later its own parent."""
    with receiving() as receiver:
        with tracing.export_spans(receiver.url, "test"):
            with tracing.span("outer", kind="server", parent=SENT) as outer:
                outer.rename("GET /somewhere")
                outer.set_attribute("http.route", "/somewhere")
                with pytest.raises(UnsupportedFormat), tracing.span("inner", started_ns=time.time_ns() - 10**9):
                    raise UnsupportedFormat
            assert outer.traceparent != SENT
        spans = receiver.of_trace("0af7651916cd43dd8448eb211c80319c")
    assert set(spans) == {"GET /somewhere", "inner"}
    server, inner = spans["GET /somewhere"], spans["inner"]
    assert (server.service, server.kind, server.parent_id) == ("video2mp3-test", "server", "b7ad6b7169203331")
    assert server.facts == {"http.route": "/somewhere"}
    assert inner.parent_id == server.span_id == outer.traceparent[36:52]
    assert inner.facts == {"error.type": "unsupported_format"}
    assert inner.ended_ns - inner.began_ns >= 10**9


def test_a_receiver_that_is_away_holds_nothing_up() -> None:
    """It should drop the spans and end within seconds."""
    started_s = time.monotonic()
    with tracing.export_spans(f"http://127.0.0.1:{free_port()}/v1/traces", "test"), tracing.span("lost"):
        pass
    assert time.monotonic() - started_s < 20


def test_opentelemetry_is_loaded_only_where_it_is_wanted() -> None:
    """It should cost nothing while traces are off."""
    program = (
        "import sys; from video2mp3.cli.roles import http_server, server; from video2mp3.telemetry import tracing\n"
        "loaded = lambda: any(name.startswith('opentelemetry.sdk') for name in sys.modules)\n"
        "with tracing.export_spans('', 'api'), tracing.span('x'): before = loaded()\n"
        "with tracing.export_spans('http://127.0.0.1:9/v1/traces', 'api'): print(before, loaded())\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False True"


def test_the_receiver_of_these_tests_forgets_nothing() -> None:
    """It should have every one of many spans, so that one that is missing was not sent."""
    with receiving() as receiver:
        with tracing.export_spans(receiver.url, "test"):
            for number in range(1000):
                with tracing.span(f"span {number}", parent=SENT):
                    pass
        wait_until(lambda: len(receiver.spans) == 1000, 10, "all spans")
