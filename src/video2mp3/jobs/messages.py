"""Messages of the queue: JSON objects that name a job, with the keys that consumers of the v0 API know."""

import json
import re

_JOB_ID = re.compile(r"[0-9a-f]{32}")


def make(job_id: str, *, video_fid: str | None, mp3_fid: str | None, username: str) -> bytes:
    """Returns a message; `mp3_fid` is the id to download the MP3 by, if there is one."""
    message = {"job_id": job_id, "video_fid": video_fid, "mp3_fid": mp3_fid, "username": username}
    return json.dumps(message).encode()


def job_id_of(body: bytes) -> str | None:
    """Returns the id of the job that a message names; None if the message is invalid."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    job_id = message.get("job_id") if isinstance(message, dict) else None
    return job_id if isinstance(job_id, str) and _JOB_ID.fullmatch(job_id) else None
