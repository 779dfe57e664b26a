"""All counted metrics, in one registry for the process; docs/metrics.md lists them.

Labels never contain values from users: routes are templates, codes are from `errors.py`. Values that are read at each
scrape (queue depth, connections) are in collectors next to their source; `metrics_server` registers them.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from video2mp3.errors import EngineError, MediaError, StoredDataDamaged, Unavailable, Video2mp3Error

REGISTRY = CollectorRegistry()
"""The registry of this process."""

# The client library adds a creation time to each series, which no alert or dashboard uses.
disable_created_metrics()  # type: ignore[no-untyped-call]
ProcessCollector(registry=REGISTRY)

_ANSWER_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_STAGE_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_WAIT_S = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400)

INFO = Gauge("video2mp3_info", "1; the version and the role of this process.", ["version", "role"], registry=REGISTRY)
DEPENDENCY_READY = Gauge(
    "video2mp3_dependency_ready",
    "1 if the dependency (database, queue, storage) answered the last check of /readyz.",
    ["dependency"],
    registry=REGISTRY,
)
UNSANDBOXED = Gauge(
    "video2mp3_unsandboxed", "1 where the sandbox did not hold in the self-test at the start.", registry=REGISTRY
)

# -- HTTP ---------------------------------------------------------------------------------------------

HTTP_REQUESTS = Counter(
    "video2mp3_http_requests",
    "Requests that were answered, by the class of their status (2xx).",
    ["method", "route", "status"],
    registry=REGISTRY,
)
HTTP_DURATION_S = Histogram(
    "video2mp3_http_request_duration_seconds",
    "Time from a request's head to the end of its answer.",
    ["method", "route"],
    buckets=_ANSWER_S,
    registry=REGISTRY,
)
HTTP_IN_PROGRESS = Gauge("video2mp3_http_requests_in_progress", "Requests that are being answered.", registry=REGISTRY)
HTTP_RECEIVED_BYTES = Counter("video2mp3_http_received_bytes", "Bytes of the requests' bodies.", registry=REGISTRY)
HTTP_SENT_BYTES = Counter("video2mp3_http_sent_bytes", "Bytes of the answers' bodies.", registry=REGISTRY)
HTTP_CONNECTIONS = Gauge("video2mp3_http_connections", "Connections that are open.", registry=REGISTRY)
EVENT_STREAMS = Gauge("video2mp3_event_streams", "Event streams that are open.", registry=REGISTRY)
WORK_WAITING = Gauge(
    "video2mp3_request_work_waiting",
    "Waveforms, probes, split previews and exports that wait for a thread of their executor.",
    ["executor"],
    registry=REGISTRY,
)
WORK_RUNNING = Gauge(
    "video2mp3_request_work_running",
    "Waveforms, probes, split previews and exports that are being made.",
    ["executor"],
    registry=REGISTRY,
)
REFUSALS = Counter(
    "video2mp3_limit_refusals",
    "Requests and connections that were refused because a limit was reached, by limit.",
    ["limit"],
    registry=REGISTRY,
)

# -- Jobs ---------------------------------------------------------------------------------------------

JOBS_SUBMITTED = Counter("video2mp3_jobs_submitted", "Jobs that were made.", ["priority"], registry=REGISTRY)
JOBS_ENDED = Counter(
    "video2mp3_jobs_ended",
    "Jobs that ended, by state (finished, failed, canceled) and error code (empty: none).",
    ["state", "code"],
    registry=REGISTRY,
)
JOBS_REQUEUED = Counter(
    "video2mp3_jobs_requeued",
    "Tries that ended without the job: by error code, worker_lost for an expired lease, empty for a drain.",
    ["code"],
    registry=REGISTRY,
)
JOB_WAIT_S = Histogram(
    "video2mp3_job_wait_seconds",
    "Time from when a job could be taken, its upload being complete, to its first claim.",
    ["priority"],
    buckets=_WAIT_S,
    registry=REGISTRY,
)
MESSAGES_PUBLISHED = Counter(
    "video2mp3_messages_published", "Messages that the broker has confirmed.", ["queue"], registry=REGISTRY
)
NOTIFICATIONS = Counter(
    "video2mp3_notifications",
    "Attempts to send a notification by email or to a webhook: sent, retried or failed.",
    ["outcome"],
    registry=REGISTRY,
)
ACCOUNT_EMAILS = Counter(
    "video2mp3_account_emails",
    "Attempts to send an email with a one-time token: sent, retried or failed.",
    ["outcome"],
    registry=REGISTRY,
)


def _codes(family: type[Video2mp3Error]) -> Iterator[str]:
    yield family.code
    for kind in family.__subclasses__():
        yield from _codes(kind)


# `rate` and `increase` miss the first event of a new series, so these series start at 0.
for _code in (*_codes(MediaError), *_codes(EngineError), StoredDataDamaged.code):
    JOBS_ENDED.labels("failed", _code)
for _code in (*_codes(EngineError), *_codes(Unavailable)):
    JOBS_REQUEUED.labels(_code)

# -- Storage ------------------------------------------------------------------------------------------

STORED_DATA_DAMAGED = Counter(
    "video2mp3_stored_data_damaged",
    "Reads of stored objects whose bytes were not those that were stored, also when read again.",
    registry=REGISTRY,
)

# -- Conversions --------------------------------------------------------------------------------------

SLOTS = Gauge(
    "video2mp3_worker_slots", "Conversions that this worker can run at once, without the spare slot.", registry=REGISTRY
)
SLOTS_BUSY = Gauge("video2mp3_worker_slots_busy", "Conversions that this worker runs.", registry=REGISTRY)
TRANSFERS_BUSY = Gauge(
    "video2mp3_worker_transfers",
    "Files that this worker fetches, and results that it sends.",
    ["transfer"],
    registry=REGISTRY,
)
STAGE_DURATION_S = Histogram(
    "video2mp3_stage_duration_seconds",
    "Time of each stage of a conversion; decode and encode go on at the same time, within convert.",
    ["stage"],
    buckets=_STAGE_S,
    registry=REGISTRY,
)
AUDIO_S = Counter("video2mp3_audio_seconds", "Seconds of audio in MP3s that were made.", registry=REGISTRY)
SOURCE_BYTES = Counter("video2mp3_source_bytes", "Bytes of the files that were converted.", registry=REGISTRY)
RESULT_BYTES = Counter("video2mp3_result_bytes", "Bytes of the results that were stored.", registry=REGISTRY)
