"""Reports that a limit is reached: in a metric each time, in the log at most every 10 s."""

import threading
import time

import structlog

from video2mp3.telemetry import metrics

log = structlog.get_logger()

_PAUSE_S = 10.0
_lock = threading.Lock()
_logged_at_s: dict[str, float] = {}
_not_logged: dict[str, int] = {}


def record_refusal(limit: str, **facts: object) -> None:
    """Counts a refusal, and logs it unless one of the same limit was logged in the last 10 s: a flood is one line.

    Args:
        limit: one of a few names, for it is the label of a metric.
        facts: of this refusal, for the log.
    """
    metrics.REFUSALS.labels(limit).inc()
    with _lock:
        now_s = time.monotonic()
        if now_s - _logged_at_s.get(limit, float("-inf")) < _PAUSE_S:
            _not_logged[limit] = _not_logged.get(limit, 0) + 1
            return
        _logged_at_s[limit] = now_s
        unlogged = _not_logged.pop(limit, 0)
    log.warning("limit_reached", limit=limit, since_last_line=unlogged, **facts)
