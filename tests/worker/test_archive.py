"""A ZIP of several MP3s, looked at with other programs than the one that wrote it."""

import errno
import hashlib
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.jobs.rows import read_job
from tests.servers import require_program, wait_until
from tests.worker.system import System, make_wav
from video2mp3.engine import Report, Segment
from video2mp3.errors import ResultCheckFailed, StorageFull
from video2mp3.worker.archive import archive

NAMES = ["talk-01.mp3", "東京-02.mp3", "talk-03.mp3"]


def segment(offset_bytes: int, content: bytes) -> Segment:
    sha256 = hashlib.sha256(content).hexdigest()
    return Segment(offset_bytes, len(content), sha256, track=1, start_s=0.0, samples=0, duration_s=0.0, title=None)


def report(*contents: bytes) -> Report:
    offsets = [sum(map(len, contents[:number])) for number in range(len(contents))]
    values = dict.fromkeys(Report.__dataclass_fields__)
    return Report(**values | {"segments": tuple(map(segment, offsets, contents))})  # type: ignore[arg-type]


@pytest.fixture
def contents() -> list[bytes]:
    return [b"first" * 1000, b"second" * 500_000, b"third"]


def test_every_part_lies_in_the_zip_as_it_is(contents: list[bytes], tmp_path: Path) -> None:
    """It should say where, with the ZIP's own size and SHA-256, and other programs should find the same."""
    mp3s, target = tmp_path / "mp3s", tmp_path / "result.zip"
    mp3s.write_bytes(b"".join(contents))
    done = archive(mp3s, report(*contents), NAMES, target)
    stored = target.read_bytes()
    assert (done.size_bytes, done.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
    found = [stored[p.offset_bytes : p.offset_bytes + p.size_bytes] for p in done.segments]
    assert found == contents
    subprocess.run([require_program("unzip"), "-q", str(target), "-d", str(tmp_path / "out")], check=True)
    assert [(tmp_path / "out" / name).read_bytes() for name in NAMES] == contents
    assert (tmp_path / "out" / NAMES[0]).stat().st_mode & 0o777 == 0o644
    with zipfile.ZipFile(target) as archived:
        assert {member.compress_type for member in archived.infolist()} == {zipfile.ZIP_STORED}


def test_mp3s_that_are_too_short_are_noticed(contents: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "mp3s").write_bytes(b"".join(contents)[:-1])
    with pytest.raises(ResultCheckFailed):
        archive(tmp_path / "mp3s", report(*contents), NAMES, tmp_path / "result.zip")


def test_a_full_disk_is_the_storages_fault(contents: list[bytes], tmp_path: Path) -> None:
    """It should be the error after which the job waits for room."""
    (tmp_path / "mp3s").write_bytes(b"".join(contents))
    with pytest.raises(StorageFull) as caught:
        archive(tmp_path / "mp3s", report(*contents), NAMES, Path("/dev/full"))
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[None]:
    """A disk of 680 KiB for the storage."""
    folder = tmp_path / "storage"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=680k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("No file system can be mounted here.")
    yield
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_job_whose_zip_has_no_room_waits_and_leaves_nothing(small_disk: None, embedded: System) -> None:
    """It should go back to the queue uncounted: the upload and the MP3s had room, the ZIP beside them has none."""
    job = embedded.submit(make_wav(5), options={"split": 1, "bitrate_kbps": 192})

    def given_back() -> bool:
        row = read_job(embedded.database, job.id)
        return (row.state, row.fence, row.failures) == ("queued", 1, 0)

    with capture_logs() as logged, embedded.running():
        wait_until(given_back, 60, "the job to be given back")
    assert [line["error"] for line in logged if line["event"] == "conversion_failed"] == ["storage_full"]
    assert list(embedded.storage.scratch_folder.iterdir()) == []
    assert embedded.keys() == set()
