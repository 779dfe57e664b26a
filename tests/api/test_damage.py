"""It should send no byte of a damaged block, however far a response has come."""

import os

import httpx
import pytest

from tests.api.conftest import SignedIn
from tests.api.stored import convert, finish
from tests.jobs.objects import put
from video2mp3.api.frame.services import Services
from video2mp3.storage.checksums import BLOCK_BYTES
from video2mp3.telemetry import metrics

MP3 = os.urandom(6 * BLOCK_BYTES + 10)


def damage(services: Services, prefix: str, offset_bytes: int) -> None:
    (stored,) = services.storage.list(prefix)
    data = bytearray(services.storage.read(stored.key, 0, stored.size_bytes))
    data[offset_bytes] ^= 1
    put(services.storage, stored.key, bytes(data))


def received(http: httpx.Client, path: str) -> bytes:
    """What came of an answer until the connection ended too early."""
    pieces: list[bytes] = []
    with http.stream("GET", path) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            pieces.extend(answer.iter_raw())
    return b"".join(pieces)


def test_a_response_ends_before_the_damaged_block(ada: SignedIn, services: Services) -> None:
    before = metrics.STORED_DATA_DAMAGED._value.get()
    job_id = convert(ada.http)
    finish(services, job_id, MP3)
    damage(services, "results/", 5 * BLOCK_BYTES)
    assert received(ada.http, f"/v1/conversions/{job_id}/mp3") == MP3[: 4 * BLOCK_BYTES]
    assert metrics.STORED_DATA_DAMAGED._value.get() == before + 1
    whole = ada.http.get(f"/v1/conversions/{job_id}/mp3", headers={"Range": f"bytes=10-{5 * BLOCK_BYTES - 1}"})
    assert (whole.status_code, whole.content) == (206, MP3[10 : 5 * BLOCK_BYTES])
    last = ada.http.get(f"/v1/conversions/{job_id}/mp3", headers={"Range": f"bytes={6 * BLOCK_BYTES - 1}-"})
    assert (last.status_code, last.json()["code"], last.json()["retryable"]) == (500, "stored_data_damaged", False)


def test_an_archive_and_an_export_end_before_it(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    finish(services, job_id, MP3)
    damage(services, "results/", 5 * BLOCK_BYTES)
    for path in (f"/v1/conversions/archive?id={job_id}", "/v1/me/export"):
        data = received(ada.http, path)
        assert MP3[: 4 * BLOCK_BYTES] in data
        assert MP3[4 * BLOCK_BYTES : 4 * BLOCK_BYTES + 16] not in data


def test_the_original_of_two_chunks_ends_before_it(ada: SignedIn, services: Services) -> None:
    data = os.urandom(2 * BLOCK_BYTES + 5000)
    job_id = convert(ada.http, data=data)
    damage(services, "uploads/", 2 * BLOCK_BYTES + 7)
    assert received(ada.http, f"/v1/conversions/{job_id}/source") == data[: 2 * BLOCK_BYTES]
