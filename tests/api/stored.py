"""What is stored in a service, and jobs brought to an end by hand."""

import hashlib
import secrets
from typing import Any

import httpx
from sqlalchemy import func, select

from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Job, Upload, UploadChunk
from video2mp3.errors import Video2mp3Error
from video2mp3.jobs import lifecycle
from video2mp3.jobs.lifecycle import Claim
from video2mp3.storage.checksums import checksums_of

VIDEO = b"not really a video" * 100


def stored(services: Services) -> dict[str, int]:
    """Counts everything that an upload can leave behind."""
    with services.database.read() as session:
        rows = {
            table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0
            for table in (Upload, UploadChunk, Job)
        }
    return {
        **rows,
        "objects": len(list(services.storage.list(""))),
        "scratch": len(list(services.storage.scratch_folder.iterdir())),
    }


NOTHING = {"uploads": 0, "upload_chunks": 0, "jobs": 0, "objects": 0, "scratch": 0}


def upload(http: httpx.Client, data: bytes = VIDEO, name: str = "talk.mp4") -> str:
    answer = http.post("/v1/uploads", params={"name": name}, content=data)
    assert answer.status_code == 201, answer.text
    upload_id: str = answer.json()["id"]
    return upload_id


def convert(http: httpx.Client, name: str = "talk.mp4", data: bytes = VIDEO, **fields: str) -> str:
    """Queues a conversion of a new file and returns its id."""
    answer = http.post("/v1/conversions", files={"file": (name, data)}, data=fields)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def claim(services: Services, job_id: str) -> Claim:
    with services.database.write() as session:
        claimed = lifecycle.claim(session, job_id, "w" * 32) or lifecycle.claim_transfer(
            session, job_id, "fetch", "w" * 32
        )
    assert claimed is not None
    return claimed


def finish(services: Services, job_id: str, mp3: bytes = b"ID3 and so on", **report: Any) -> bytes:
    """Finishes a queued job with these bytes, as a worker would."""
    claimed = claim(services, job_id)
    path = services.storage.scratch_folder / secrets.token_hex(8)
    path.write_bytes(mp3)
    key = f"results/{job_id}/{claimed.fence}.mp3"
    services.storage.put_file(key, path)
    with services.database.write() as session:
        sha256 = hashlib.sha256(mp3).hexdigest()
        result = lifecycle.NewResult(key, sha256, checksums_of(mp3), len(mp3), 1.5, report)
        assert lifecycle.finish(session, claimed, result, retention_s=3600)
    return mp3


def fail(services: Services, job_id: str, error: Video2mp3Error) -> None:
    """Ends a queued job with an error, as a worker would."""
    claimed = claim(services, job_id)
    with services.database.write() as session:
        assert lifecycle.fail(session, claimed, error)
