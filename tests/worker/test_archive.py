"""A ZIP of several MP3s, looked at with other programs than the one that wrote it."""

import errno
import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.servers import require_program
from video2mp3.engine import Part, Report
from video2mp3.errors import ResultCheckFailed, StorageFull
from video2mp3.worker.archive import archive

NAMES = ["talk-01.mp3", "東京-02.mp3", "talk-03.mp3"]


def part(offset_bytes: int, content: bytes) -> Part:
    sha256 = hashlib.sha256(content).hexdigest()
    return Part(offset_bytes, len(content), sha256, track=1, start_s=0.0, samples=0, duration_s=0.0, title=None)


def report(*contents: bytes) -> Report:
    offsets = [sum(map(len, contents[:number])) for number in range(len(contents))]
    values = dict.fromkeys(Report.__dataclass_fields__)
    return Report(**values | {"parts": tuple(map(part, offsets, contents))})  # type: ignore[arg-type]


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
    found = [stored[p.offset_bytes : p.offset_bytes + p.size_bytes] for p in done.parts]
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
