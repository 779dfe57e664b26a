"""It should read all that is stored, list what is damaged, and end cleanly."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.preloaded import run_text
from tests.cli.test_commands import run
from tests.databases import new_sqlite
from tests.jobs.objects import put
from tests.jobs.rows import claimed, make_user, submit
from video2mp3 import uploads
from video2mp3.database.connection import Database
from video2mp3.jobs import lifecycle
from video2mp3.storage.checksums import checksums_of
from video2mp3.storage.disk import DiskStorage


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """The database that the command finds in the folder."""
    database = Database(new_sqlite(tmp_path / "data" / "video2mp3.db"))
    yield database
    database.close()


@pytest.fixture
def storage(tmp_path: Path) -> DiskStorage:
    return DiskStorage(tmp_path / "data" / "storage")


def store_upload(database: Database, storage: DiskStorage, user_id: str, data: bytes) -> str:
    with database.write() as session:
        upload = uploads.create(session, user_id=user_id, name="talk\x1b.mp4", size_bytes=None, lifetime_s=3600)
    writer = uploads.ChunkWriter(database, storage, upload.id, max_size_bytes=10**9, chunk_size_bytes=300_000)
    writer.write(data)
    writer.close()
    return upload.id


def store_result(database: Database, storage: DiskStorage, user_id: str, data: bytes) -> tuple[str, str]:
    claim = claimed(database, submit(database, user_id).id)
    key = put(storage, f"results/{claim.job_id}/{claim.fence}.mp3", data)
    with database.write() as session:
        result = lifecycle.NewResult(key, "0" * 64, checksums_of(data), len(data), 1.0)
        assert lifecycle.finish(session, claim, result, retention_s=3600)
    return claim.job_id, key


def test_all_is_well(tmp_path: Path, database: Database, storage: DiskStorage) -> None:
    user_id = make_user(database, "anna")
    store_upload(database, storage, user_id, os.urandom(700_000))
    store_result(database, storage, user_id, os.urandom(300_000))
    done = run(tmp_path, "admin", "verify")
    assert (done.returncode, done.stdout) == (0, "4 objects, 1.0 MB verified, 0 damaged\n"), done.stderr


def test_each_kind_of_damage_is_listed(tmp_path: Path, database: Database, storage: DiskStorage) -> None:
    user_id = make_user(database, "anna")
    upload_id = store_upload(database, storage, user_id, bytes(700_000))
    first, second, _ = sorted(found.key for found in storage.list("uploads/"))
    job_id, key = store_result(database, storage, user_id, bytes(300_000))
    store_result(database, storage, user_id, bytes(300_000))
    put(storage, first, bytes(299_999) + b"\1")
    storage.delete(second)
    put(storage, key, bytes(300_001))
    done = run(tmp_path, "admin", "verify")
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert sorted(lines[:3]) == sorted(
        [
            f"checksum  upload  {upload_id}  anna  talk.mp4  {first}",
            f"missing  upload  {upload_id}  anna  talk.mp4  {second}",
            f"size  result  {job_id}  anna  talk.mp4  {key}",
        ]
    )
    assert lines[3] == "5 objects, 1.3 MB verified, 3 damaged"
    assert "Restore these objects from a backup" in lines[4]
    as_json = run(tmp_path, "admin", "verify", "--json")
    found = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert (as_json.returncode, found[-1]) == (1, {"objects": 5, "bytes": 1_300_000, "damaged": 3})
    assert {(one["damage"], one["kind"], one["id"], one["key"]) for one in found[:-1]} == {
        ("checksum", "upload", upload_id, first),
        ("missing", "upload", upload_id, second),
        ("size", "result", job_id, key),
    }


def test_a_storage_that_does_not_answer_is_no_damage(tmp_path: Path, database: Database, storage: DiskStorage) -> None:
    store_upload(database, storage, make_user(database, "anna"), bytes(1000))
    env = {**os.environ, "VIDEO2MP3_DATA_DIR": str(tmp_path / "data"), "VIDEO2MP3_STORAGE_URL": "s3://bucket/prefix"}
    env |= {"VIDEO2MP3_S3_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_EC2_METADATA_DISABLED": "true"}
    env |= {"VIDEO2MP3_S3_ACCESS_KEY_ID": "key", "VIDEO2MP3_S3_SECRET_ACCESS_KEY": "secret"}
    done = run_text(["admin", "verify"], env, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be reached" in done.stderr


def test_ctrl_c_ends_it_cleanly(tmp_path: Path, database: Database, storage: DiskStorage) -> None:
    store_upload(database, storage, make_user(database, "anna"), bytes(1000))
    program = """
import time
from video2mp3.cli import main
from video2mp3.storage.disk import DiskStorage
def read(*arguments):
    print("reads", flush=True)
    time.sleep(60)
DiskStorage.read = read
main()
"""
    env = {**os.environ, "VIDEO2MP3_DATA_DIR": str(tmp_path / "data")}
    command = [sys.executable, "-c", program, "admin", "verify"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "reads\n"
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; 0 objects, 0 kB verified, 0 damaged" in complaint
    assert "Traceback" not in complaint
