"""What only a disk can do wrong."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.servers import require_program
from tests.storage.test_contract import KEY, put
from video2mp3.errors import NotFound, StorageFull, StorageUnavailable
from video2mp3.storage.disk import DiskStorage
from video2mp3.storage.scratch import sweep_scratch

# Puts an object, and is killed when it is about to call the function of `os` that the first argument names.
DYING_PROCESS = """
import os, signal, sys
from pathlib import Path
from typing import Any
from video2mp3.storage.disk import DiskStorage

step, folder, key = sys.argv[1:]
storage = DiskStorage(Path(folder))
path = storage.scratch_folder / "dying"
path.write_bytes(b"x" * 100_000)
setattr(os, step, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
storage.put_file(key, path)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("Only root can mount a small file system.")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = [require_program("mount"), "-t", "tmpfs", "-o", "size=1m,nr_inodes=64", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("This machine does not let root mount a file system.")
    yield folder
    subprocess.run([require_program("umount"), "-l", str(folder)], check=True)


def fill(folder: Path) -> Iterator[Path]:
    """Makes files until the file system has no place for another."""
    for number in range(1000):
        path = folder / f"filler-{number}"
        try:
            path.touch()
        except OSError:
            return
        yield path


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_before_the_rename_leaves_nothing_to_read(tmp_path: Path, step: str) -> None:
    storage = DiskStorage(tmp_path)
    command = [sys.executable, "-c", DYING_PROCESS, step, str(tmp_path), KEY]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert list(storage.list("")) == []
    with pytest.raises(NotFound):
        storage.read(KEY, 0, 1)
    # Only a scratch file should be left, for the sweeper.
    assert [path.name for path in storage.scratch_folder.iterdir()] == ["dying"]
    put(storage, KEY, b"again")
    assert storage.read(KEY, 0, 100) == b"again"


def test_the_file_is_durable_before_it_has_its_name_and_the_folders_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = DiskStorage(tmp_path)
    steps: list[str] = []
    fsync = os.fsync

    def recording_fsync(descriptor: int) -> None:
        fsync(descriptor)
        name = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append(f"{name.relative_to(tmp_path)} {(tmp_path / 'objects' / KEY).exists()}")

    monkeypatch.setattr(os, "fsync", recording_fsync)
    path = storage.scratch_folder / "new"
    path.write_bytes(b"x")
    storage.put_file(KEY, path)
    assert steps == [
        "scratch/new False",
        "objects/uploads/0190abcd True",
        "objects/uploads True",
        "objects True",
    ]


def test_a_full_disk_is_told_apart_and_keeps_nothing_half_written(small_disk: Path) -> None:
    storage = DiskStorage(small_disk)
    put(storage, KEY, b"before")
    # The folders of the new object need a place in the file system too: none is left.
    path = storage.scratch_folder / "one-more"
    path.write_bytes(b"x")
    fillers = list(fill(storage.scratch_folder))
    with pytest.raises(StorageFull):
        storage.put_file("uploads/other/0-1", path)
    assert not path.exists()
    assert [found.key for found in storage.list("")] == [KEY]
    for filler in fillers:
        filler.unlink()
    put(storage, "uploads/other/0-1", b"after")
    assert storage.read("uploads/other/0-1", 0, 100) == b"after"


def test_a_check_of_a_full_disk_leaves_nothing_behind(small_disk: Path) -> None:
    storage = DiskStorage(small_disk)
    filler = storage.scratch_folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match="No space left"):
            storage.check()
    assert list(storage.scratch_folder.iterdir()) == [filler]
    filler.unlink()
    storage.check()


def test_folders_go_with_their_last_object(tmp_path: Path) -> None:
    storage = DiskStorage(tmp_path)
    put(storage, "uploads/1/0-1", b"x")
    put(storage, "uploads/2/0-1", b"x")
    storage.delete("uploads/1/0-1")
    assert [path.name for path in (tmp_path / "objects" / "uploads").iterdir()] == ["2"]
    storage.delete("uploads/2/0-1")
    assert list((tmp_path / "objects").iterdir()) == []


@pytest.mark.parametrize("occupied", ["", "objects", "scratch"])
def test_check_names_a_folder_that_cannot_be_used(tmp_path: Path, occupied: str) -> None:
    folder = tmp_path / "storage"
    if occupied:
        folder.mkdir()
    (folder / occupied).write_bytes(b"a file where the folder should be")
    with pytest.raises(StorageUnavailable, match=f"storage folder {folder} "):
        DiskStorage(folder).check()
    (folder / occupied).unlink()
    DiskStorage(folder).check()


def test_the_sweep_takes_old_scratch_files_only(tmp_path: Path) -> None:
    storage = DiskStorage(tmp_path)
    old, new = storage.scratch_folder / "old", storage.scratch_folder / "new"
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    assert sweep_scratch(storage.scratch_folder, older_than_s=3600) == 1
    assert list(storage.scratch_folder.iterdir()) == [new]
    assert sweep_scratch(tmp_path / "nonesuch", older_than_s=3600) == 0


def test_a_folder_that_others_take_away_as_it_is_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = DiskStorage(tmp_path)
    make, left = Path.mkdir, ["once"]

    def make_late(folder: Path, *arguments: Any, **options: Any) -> None:
        if left and folder.name == "1":
            left.pop()
            raise FileExistsError(17, "File exists")  # what mkdir says of a folder that is gone as it looks again
        make(folder, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", make_late)
    put(storage, "uploads/1/0", b"bytes")
    assert not left
    assert storage.read("uploads/1/0", 0, 100) == b"bytes"


def test_a_file_where_a_folder_must_be_is_an_error(tmp_path: Path) -> None:
    storage = DiskStorage(tmp_path)
    put(storage, "uploads/1", b"a file")
    for key in ("uploads/1/0", "uploads/1/2/3"):
        with pytest.raises(StorageUnavailable):
            put(storage, key, b"bytes")
