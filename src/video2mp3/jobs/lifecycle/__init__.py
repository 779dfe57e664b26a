"""Every change of a job's state. Each is one conditional statement: of two that race, one succeeds.

```text
 state        may become, by
 -----        --------------
 (new)        queued      submit
 (new)        waiting     submit, while the upload is not complete, or the file has to be got from a URL
 waiting      queued      upload_completed; fetched; start_early: the rest of the upload comes as fast as it is used
 waiting      canceled    cancel, or fail: the worker was told to stop
 waiting      failed      reap: upload deleted or expired, or too many lost leases; fail: the file cannot be downloaded
 queued       processing  claim
 queued       canceled    cancel
 processing   finished    finish, or sent where there is a result_url
 processing   failed      fail, or reap: lost too often
 processing   queued      fail: another try, release, wait_again, or reap: the lease has expired
 processing   waiting     wait_again: the upload has stalled
 processing   canceled    finish, fail, release, wait_again or reap, where a cancel was asked for; cancel in delivery
```

A job that has to fetch its file or send its result has a `transfer`. A worker claims a transfer with a lease and a
fence (`claim_transfer`), as it claims a conversion, and the state stays until the transfer ends. `finished`, `failed`
and `canceled` never change again; only their row can be deleted. Functions take a session and never commit.
"""

from video2mp3.jobs.lifecycle.claims import (
    Claim,
    NewResult,
    claim,
    claim_transfer,
    fail,
    fetched,
    finish,
    heartbeat,
    release,
    sent,
    wait_again,
)
from video2mp3.jobs.lifecycle.endings import ENDED
from video2mp3.jobs.lifecycle.owner import cancel, delete, find, list_page, start_early, upload_completed
from video2mp3.jobs.lifecycle.reaper import expire, reap
from video2mp3.jobs.lifecycle.states import (
    FAILURES_LIMIT,
    LEASE_S,
    LOST_LEASES_LIMIT,
    PRIORITIES,
    UNREACHABLE_LIMIT,
    Priority,
    Transfer,
)
from video2mp3.jobs.lifecycle.submission import retry, retry_spec, submit

__all__ = [
    "ENDED",
    "FAILURES_LIMIT",
    "LEASE_S",
    "LOST_LEASES_LIMIT",
    "PRIORITIES",
    "UNREACHABLE_LIMIT",
    "Claim",
    "NewResult",
    "Priority",
    "Transfer",
    "cancel",
    "claim",
    "claim_transfer",
    "delete",
    "expire",
    "fail",
    "fetched",
    "find",
    "finish",
    "heartbeat",
    "list_page",
    "reap",
    "release",
    "retry",
    "retry_spec",
    "sent",
    "start_early",
    "submit",
    "upload_completed",
    "wait_again",
]
