"""Results sent to URLs."""

import time
from collections.abc import Callable
from pathlib import Path

import structlog

from video2mp3.errors import ResultRefused, Unreachable
from video2mp3.outbound import is_passing, put
from video2mp3.worker.fetching import FetchLimits

log = structlog.get_logger()

_SENDS = 3
_PAUSE_S = 2.0


def send(path: Path, url: str, media_type: str, limits: FetchLimits, should_stop: Callable[[], bool]) -> None:
    """Sends a file to a URL with PUT.

    Raises:
        UrlRefused: when the URL leads inside.
        Unreachable: when the server does not answer, or breaks off: worth another try.
        ResultRefused: when the server does not take it.
        Canceled: when the work has to stop.
    """
    for _ in range(_SENDS - 1):
        try:
            return _put(path, url, media_type, limits, should_stop)
        except Unreachable as error:
            log.warning("result_not_sent_yet", detail=error.detail)
            time.sleep(_PAUSE_S)
    return _put(path, url, media_type, limits, should_stop)


def _put(path: Path, url: str, media_type: str, limits: FetchLimits, should_stop: Callable[[], bool]) -> None:
    headers = {"Content-Type": media_type}
    with path.open("rb") as file:
        answer = put(
            url,
            file,
            path.stat().st_size,
            headers,
            guard=limits.guard,
            timeout_s=limits.time_limit_s,
            should_stop=should_stop,
        )
    if is_passing(answer.status):
        raise Unreachable(f"The server of result_url answered with status {answer.status}.")
    if not 200 <= answer.status < 300:
        raise ResultRefused(f"The server of result_url answered with status {answer.status}; signed links expire.")
