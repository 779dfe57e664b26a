"""A bit of a stored object is flipped: it should never be given out or converted as good, and be found."""

import base64
import json
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from tests.abuse.conftest import StartService
from tests.acceptance.service import Role, Service, wait_for_end
from tests.servers import Bucket
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job, UploadChunk
from video2mp3.storage import Storage
from video2mp3.storage.checksums import VerifiedObject
from video2mp3.storage.disk import DiskStorage

DAMAGED = "stored_data_damaged"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_TUS = {"Tus-Resumable": "1.0.0"}


def without_verification() -> None:
    """The storage is believed."""

    def read_blocks(self: VerifiedObject, storage: Storage, first: int, after: int) -> bytes:
        start, end = first * 128 * 1024, min(after * 128 * 1024, self.size_bytes)
        return storage.read(self.key, start, end - start)

    VerifiedObject._read_blocks = read_blocks  # type: ignore[method-assign]


@dataclass
class System:
    """A service, and its database and storage as an operator's disk has them."""

    service: Service
    database: Database
    storage: Storage

    def keys_of_upload(self, upload_id: str) -> list[str]:
        chunks = select(UploadChunk.storage_key).where(UploadChunk.upload_id == upload_id)
        with self.database.read() as session:
            return list(session.scalars(chunks.order_by(UploadChunk.offset_bytes)))

    def key_of_result(self, job_id: str) -> str:
        with self.database.read() as session:
            key = session.scalar(select(Job.result_key).where(Job.id == job_id))
        assert key is not None
        return key

    def flip(self, key: str) -> str:
        """Flips one bit in the middle of an object; returns its key."""
        data = bytearray(self.storage.read(key, 0, self.storage.size_bytes(key)))
        data[len(data) // 2] ^= 8
        path = self.storage.scratch_folder / "flipped"
        path.write_bytes(data)
        self.storage.put_file(key, path)
        return key

    def verify(self) -> tuple[int, list[dict[str, Any]]]:
        """Runs `video2mp3 admin verify`; returns its exit status and what it printed."""
        verify = Role(self.service.folder, "verify", ["admin", "verify", "--json"], self.service.env)
        status = verify.process.wait(120)
        assert status in (0, 1), verify.log.read_text()
        return status, [json.loads(line) for line in verify.output.read_text().splitlines()]


@pytest.fixture(params=["disk", "s3"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def running(
    request: pytest.FixtureRequest, start_service: StartService, tmp_path: Path, kind: str, without: Any = None
) -> Iterator[System]:
    settings: dict[str, object] = {"worker_slots": 1}
    storage: Storage
    if kind == "s3":
        bucket: Bucket = request.getfixturevalue("bucket")
        settings |= {
            "storage_url": bucket.url,
            "s3_endpoint_url": bucket.endpoint_url,
            "s3_region": bucket.region,
            "s3_access_key_id": bucket.access_key_id,
            "s3_secret_access_key": bucket.secret_access_key,
        }
        storage = bucket.open(tmp_path / "scratch-of-the-test")
    else:
        storage = DiskStorage(tmp_path / "data" / "storage")
    with start_service(without, **settings) as service:
        database = Database(f"sqlite:///{tmp_path / 'data' / 'video2mp3.db'}")
        try:
            yield System(service, database, storage)
        finally:
            database.close()
            storage.close()


def recording(tmp_path: Path) -> bytes:
    """Three seconds of a WAV: a flipped bit in it is a small click."""
    path = tmp_path / "recording.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 44_100, 0, "NONE", ""))
        file.writeframes(b"".join((n * 37 % 20_000).to_bytes(2, "little") for n in range(3 * 44_100)))
    return path.read_bytes()


def upload(user: httpx.Client, data: bytes, name: str = "talk.wav") -> str:
    upload_id: str = user.post("/v1/uploads", params={"name": name}, content=data).raise_for_status().json()["id"]
    return upload_id


def upload_in_small_requests(user: httpx.Client, data: bytes) -> str:
    """Sends a file by tus in pieces so small that they are merged into one chunk."""
    name = base64.b64encode(b"small.wav").decode()
    headers = {**_TUS, "Upload-Length": str(len(data)), "Upload-Metadata": f"filename {name}"}
    address = user.post("/v1/uploads", headers=headers).raise_for_status().headers["Location"]
    for start in range(0, len(data), 64_000):
        headers = {**_TUS, "Upload-Offset": str(start), "Content-Type": "application/offset+octet-stream"}
        user.patch(address, content=data[start : start + 64_000], headers=headers).raise_for_status()
    return str(address.rsplit("/", 1)[1])


def convert(user: httpx.Client, upload_id: str, **fields: Any) -> str:
    answer = user.post("/v1/conversions", json={"upload_id": upload_id, **fields})
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def finished(user: httpx.Client, upload_id: str, **fields: Any) -> str:
    job_id = convert(user, upload_id, **fields)
    assert wait_for_end(user, job_id)["state"] == "finished"
    return job_id


def error_of(user: httpx.Client, job_id: str) -> str | None:
    job = wait_for_end(user, job_id)
    error = job["error"]
    assert error is None or isinstance(error, dict)
    return None if error is None else str(error["code"])


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_nothing_damaged_is_served_or_converted(
    request: pytest.FixtureRequest, start_service: StartService, tmp_path: Path, kind: str
) -> None:
    data = recording(tmp_path)
    with (
        running(request, start_service, tmp_path, kind) as system,
        system.service.user() as ada,
        system.service.user() as bob,
    ):
        whole, small = upload(ada, data), upload_in_small_requests(ada, data)
        cover = upload(ada, PNG, "cover.png")
        mp3 = finished(ada, whole)
        archive = finished(ada, whole, options={"split": 1})
        # Five requests; the first chunk has the bytes of three.
        assert len(system.keys_of_upload(small)) == 3
        bobs_upload = upload(bob, data)
        bobs_mp3 = finished(bob, bobs_upload)
        good = bob.get(f"/v1/conversions/{bobs_mp3}/mp3").raise_for_status().content
        assert system.verify() == (0, [{"objects": 9, "bytes": system_bytes(system), "damaged": 0}])

        flipped = {
            system.flip(key)
            for key in (
                *system.keys_of_upload(whole),
                *system.keys_of_upload(small),
                *system.keys_of_upload(cover),
                system.key_of_result(mp3),
                system.key_of_result(archive),
            )
        }
        for path, offset in (
            (f"/v1/conversions/{mp3}/mp3", 5000),
            (f"/v1/conversions/{archive}/mp3", 5000),
            (f"/v1/conversions/{archive}/mp3?segment=2", 5000),
            (f"/v1/conversions/{mp3}/source", len(data) // 2),
        ):
            assert code_of(ada.get(path)) == (500, DAMAGED), path
            assert code_of(ada.get(path, headers={"Range": f"bytes={offset}-{offset}"})) == (500, DAMAGED), path
        assert code_of(ada.post("/v1/probe", json={"upload_id": whole})) == (500, DAMAGED)
        for address in (f"/v1/conversions/archive?id={mp3}", "/v1/me/export"):
            with pytest.raises(httpx.RemoteProtocolError):
                ada.get(address)
        for upload_id in (whole, small):
            assert error_of(ada, convert(ada, upload_id)) == DAMAGED
        with_cover = convert(ada, upload(ada, data), cover_upload_id=cover)
        assert error_of(ada, with_cover) == DAMAGED
        with system.database.read() as session:
            assert session.scalar(select(Job.fence).where(Job.id == with_cover)) == 1

        assert bob.get(f"/v1/conversions/{bobs_mp3}/mp3").raise_for_status().content == good
        finished(bob, bobs_upload)
        status, found = system.verify()
        assert status == 1
        assert {one["key"] for one in found[:-1]} == flipped
        assert {(one["damage"], one["kind"], one["id"]) for one in found[:-1]} == {
            ("checksum", "upload", whole),
            ("checksum", "upload", small),
            ("checksum", "upload", cover),
            ("checksum", "result", mp3),
            ("checksum", "result", archive),
        }
        assert "stored_data_damaged" in system.service.logs()


def test_without_verification_it_is(
    request: pytest.FixtureRequest, start_service: StartService, tmp_path: Path, kind: str
) -> None:
    """The control: the damaged bytes come down, and are converted."""
    data = recording(tmp_path)
    with (
        running(request, start_service, tmp_path, kind, without_verification) as system,
        system.service.user() as ada,
        system.service.user() as bob,
    ):
        uploaded = upload(ada, data)
        mp3 = finished(ada, uploaded)
        good = ada.get(f"/v1/conversions/{mp3}/mp3").raise_for_status().content
        system.flip(system.key_of_result(mp3))
        system.flip(*system.keys_of_upload(uploaded))
        served = ada.get(f"/v1/conversions/{mp3}/mp3")
        assert (served.status_code, len(served.content)) == (200, len(good))
        assert served.content != good
        original = ada.get(f"/v1/conversions/{mp3}/source")
        assert (original.status_code, original.content != data) == (200, True)
        finished(ada, uploaded)
        finished(bob, upload(bob, data))


def system_bytes(system: System) -> int:
    return sum(stored.size_bytes for stored in system.storage.list(""))
