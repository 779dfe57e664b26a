"""Delivers results to URLs."""

import time
from collections.abc import Callable

import structlog

from video2mp3.database.connection import Database
from video2mp3.errors import ResultRefused, Unreachable
from video2mp3.jobs.lifecycle import Claim
from video2mp3.jobs.results import StoredResult, media_type
from video2mp3.outbound import ExchangeContext, is_transient, put
from video2mp3.storage import Storage
from video2mp3.worker.fetching import FetchLimits

log = structlog.get_logger()

_SENDS = 3
_PAUSE_S = 2.0


def send(
    database: Database,
    storage: Storage,
    claim: Claim,
    limits: FetchLimits,
    should_stop: Callable[[], bool],
    on_moved: Callable[[int], None] = lambda _: None,
) -> None:
    """Sends the job's stored result to its `result_url` with PUT.

    Raises:
        UrlRejected: when the URL leads to a private network.
        Unreachable: when the server does not answer, aborts or is too slow; a later attempt may succeed.
        ResultRefused: when the server rejects the result.
        Expired, NotFound, StoredDataDamaged: when the result is no longer available or is damaged.
        Canceled: when the work must stop.
        Unavailable: when the database or the storage does not answer.
    """
    result = StoredResult(database, storage, claim.job_id)
    for _ in range(_SENDS - 1):
        try:
            return _put(result, claim, limits, should_stop, on_moved)
        except Unreachable as error:
            log.warning("result_delivery_retried", job_id=claim.job_id, detail=error.detail)
            time.sleep(_PAUSE_S)
    return _put(result, claim, limits, should_stop, on_moved)


def _put(
    result: StoredResult,
    claim: Claim,
    limits: FetchLimits,
    should_stop: Callable[[], bool],
    on_moved: Callable[[int], None],
) -> None:
    assert claim.result_url is not None
    assert claim.result_size_bytes is not None
    answer = put(
        claim.result_url,
        result.stream(0, claim.result_size_bytes),
        claim.result_size_bytes,
        {"Content-Type": media_type(claim.options)},
        ExchangeContext(limits.guard, limits.time_limit_s, limits.least_bytes_per_s, should_stop, on_moved),
    )
    if is_transient(answer.status):
        raise Unreachable(f"The server of result_url answered with status {answer.status}.")
    if not 200 <= answer.status < 300:
        raise ResultRefused(f"The server of result_url answered with status {answer.status}; signed links expire.")
