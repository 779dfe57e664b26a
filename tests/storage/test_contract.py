"""What every storage does, on disk and in an object store."""

import os
import threading
import time
from pathlib import Path

import pytest

from video2mp3.errors import NotFound, StorageUnavailable, Video2mp3Error
from video2mp3.storage import Storage

KEY = "uploads/0190abcd/0-1f2e"


def put(storage: Storage, key: str, content: bytes) -> Path:
    path = storage.scratch_folder / f"test-{os.urandom(8).hex()}"
    path.write_bytes(content)
    storage.put_file(key, path)
    return path


def test_an_object_is_read_as_it_was_put(storage: Storage) -> None:
    content = os.urandom(100_000)
    path = put(storage, KEY, content)
    assert not path.exists()
    assert storage.size_bytes(KEY) == len(content)
    assert storage.read(KEY, 0, len(content)) == content
    assert storage.read(KEY, 70_000, 100) == content[70_000:70_100]


def test_a_read_is_short_only_at_the_end(storage: Storage) -> None:
    put(storage, KEY, b"0123456789")
    assert storage.read(KEY, 8, 100) == b"89"
    assert storage.read(KEY, 10, 100) == b""
    assert storage.read(KEY, 1_000, 100) == b""
    assert storage.read(KEY, 5, 0) == b""


def test_an_empty_object_is_an_object(storage: Storage) -> None:
    put(storage, KEY, b"")
    assert storage.size_bytes(KEY) == 0
    assert storage.read(KEY, 0, 10) == b""
    assert [found.key for found in storage.list("uploads/")] == [KEY]


def test_an_object_in_many_parts_is_whole(storage: Storage) -> None:
    content = os.urandom(20 * 1024 * 1024 + 17)
    put(storage, KEY, content)
    assert storage.size_bytes(KEY) == len(content)
    assert storage.read(KEY, 0, len(content)) == content
    border = 8 * 1024 * 1024
    assert storage.read(KEY, border - 5, 10) == content[border - 5 : border + 5]


def test_an_object_with_the_same_key_is_replaced(storage: Storage) -> None:
    put(storage, KEY, b"old and longer")
    put(storage, KEY, b"new")
    assert storage.read(KEY, 0, 100) == b"new"
    assert len(list(storage.list(""))) == 1


def test_what_is_not_there_is_not_found(storage: Storage) -> None:
    put(storage, KEY, b"x")
    for key in (f"{KEY}0", "uploads/0190abcd", f"{KEY}/0", "results/1/1.mp3"):
        with pytest.raises(NotFound):
            storage.size_bytes(key)
        with pytest.raises(NotFound):
            storage.read(key, 0, 1)
        with pytest.raises(NotFound):
            storage.read(key, 0, 0)
    assert storage.read(KEY, 0, 1) == b"x"


def test_a_deleted_object_is_gone(storage: Storage) -> None:
    put(storage, KEY, b"x")
    put(storage, "uploads/0190abcd/8-1f2e", b"y")
    storage.delete(KEY)
    storage.delete(KEY)
    storage.delete("results/nonesuch/1.mp3")
    with pytest.raises(NotFound):
        storage.read(KEY, 0, 1)
    assert [found.key for found in storage.list("")] == ["uploads/0190abcd/8-1f2e"]


def test_list_takes_any_beginning_of_a_key(storage: Storage) -> None:
    keys = {"uploads/aa/0-1", "uploads/aa/8-2", "uploads/ab/0-3", "results/aa/1.mp3"}
    for key in keys:
        put(storage, key, key.encode())

    def found(prefix: str) -> set[str]:
        return {found.key for found in storage.list(prefix)}

    assert found("") == keys
    assert found("uploads/") == {key for key in keys if key.startswith("uploads/")}
    assert found("upl") == found("uploads/")
    assert found("uploads/a") == found("uploads/")
    assert found("uploads/aa/") == {"uploads/aa/0-1", "uploads/aa/8-2"}
    assert found("uploads/aa/8") == {"uploads/aa/8-2"}
    assert found("nonesuch/") == set()


def test_list_tells_size_and_time(storage: Storage) -> None:
    put(storage, KEY, b"12345")
    (found,) = storage.list("uploads/")
    assert found.size_bytes == 5
    assert abs(found.modified_at_s - time.time()) < 60


def test_many_objects_are_all_listed(storage: Storage) -> None:
    keys = {f"uploads/many/{number}" for number in range(120)}
    for key in keys:
        put(storage, key, b"")
    assert {found.key for found in storage.list("uploads/many/")} == keys


@pytest.mark.parametrize(
    "key",
    ["../x", "uploads/../../x", "/etc/passwd", "", "uploads//x", "uploads/", ".", "a/./b", "a\\b", "ä", "a\n", "a b"],
)
def test_what_is_no_key_is_refused(storage: Storage, key: str) -> None:
    path = storage.scratch_folder / "x"
    path.write_bytes(b"x")
    for attempt in (
        lambda: storage.put_file(key, path),
        lambda: storage.read(key, 0, 1),
        lambda: storage.size_bytes(key),
        lambda: storage.delete(key),
    ):
        with pytest.raises(Video2mp3Error, match="Not a storage key"):
            attempt()
    assert path.exists()
    assert list(storage.list("")) == []


def test_a_scratch_file_that_is_gone_is_an_error_and_stores_nothing(storage: Storage) -> None:
    with pytest.raises(StorageUnavailable):
        storage.put_file(KEY, storage.scratch_folder / "nonesuch")
    assert list(storage.list("")) == []


def test_check_leaves_nothing_behind(storage: Storage) -> None:
    storage.check()
    assert list(storage.list("")) == []
    assert list(storage.scratch_folder.iterdir()) == []


def test_threads_put_and_delete_beside_each_other(storage: Storage) -> None:
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for number in range(30):
                key = f"uploads/shared/{name}-{number}"
                put(storage, key, key.encode())
                assert storage.read(key, 0, 100) == key.encode()
                storage.delete(key)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert list(storage.list("")) == []
