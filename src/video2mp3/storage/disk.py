"""The storage on a disk: one file per object.

`put_file` makes the file durable, renames it, and makes the rename durable. (Without both fsyncs, a power cut can
leave a name without its bytes.)
"""

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from video2mp3.errors import NotFound, StorageFull, StorageUnavailable
from video2mp3.storage import StoredObject
from video2mp3.storage.keys import check_key, new_check_key, split_prefix
from video2mp3.storage.private import make_folder


class DiskStorage:
    """Stores objects in `folder`/objects. Creates the folder if needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._objects = self._folder / "objects"
        # On the same file system as the objects: a rename cannot cross file systems.
        self.scratch_folder = self._folder / "scratch"
        # If this fails, `check` reports why.
        with suppress(OSError):
            self._make_folders()

    def _make_folders(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # private to this account
        make_folder(self._objects)
        make_folder(self.scratch_folder)

    def put_file(self, key: str, path: Path, attributes: Mapping[str, str] | None = None) -> None:  # noqa: ARG002
        """See `Storage`: a disk keeps no attributes.

        After StorageUnavailable, the file is still at `path`, for a retry.
        """
        target = self._path(key)
        try:
            with _os_errors():
                _fsync(path)
                self._rename(path, target)
                self._fsync_folders(target.parent)
        except StorageFull:
            path.unlink(missing_ok=True)
            raise
        except NotFound as error:
            raise StorageUnavailable("The scratch file to store was deleted.") from error

    def _rename(self, path: Path, target: Path) -> None:
        while True:
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
            except (FileNotFoundError, FileExistsError):
                # A concurrent `delete` removed the empty folder, also between the two steps of mkdir. Any other cause
                # persists, and is an error.
                if not path.exists() or target.parent.is_file():
                    raise
            else:
                return

    def _fsync_folders(self, folder: Path) -> None:
        # All parents: another process may have created one of them and not synced it yet.
        while folder != self._folder:
            with suppress(FileNotFoundError):  # a concurrent `delete` removed it with the object
                _fsync(folder)
            folder = folder.parent

    def size_bytes(self, key: str) -> int:
        """See `Storage`."""
        with _os_errors():
            status = self._path(key).stat()
        if not stat.S_ISREG(status.st_mode):
            raise NotFound
        return status.st_size

    def read(self, key: str, offset_bytes: int, size_bytes: int) -> bytes:
        """See `Storage`."""
        with _os_errors(), self._path(key).open("rb", buffering=0) as file:
            file.seek(offset_bytes)
            # One read may return fewer bytes than requested.
            parts: list[bytes] = []
            while size_bytes > 0 and (part := file.read(size_bytes)):
                parts.append(part)
                size_bytes -= len(part)
            return parts[0] if len(parts) == 1 else b"".join(parts)

    def public_origin(self) -> None:
        """A folder has no URLs."""

    def signed_url(self, key: str, lifetime_s: int) -> None:
        """See `Storage`: a disk has no URLs."""

    def delete(self, key: str) -> None:
        """See `Storage`. Also deletes folders that become empty."""
        path = self._path(key)
        with _os_errors(), suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
        for folder in path.relative_to(self._objects).parents[:-1]:
            try:
                (self._objects / folder).rmdir()
            except OSError:  # not empty, most often
                return

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `Storage`."""
        folder = split_prefix(prefix)
        for found in self._walk(self._objects / folder, f"{folder}/" if folder else ""):
            if found.key.startswith(prefix):
                yield found

    def _walk(self, folder: Path, key_prefix: str) -> Iterator[StoredObject]:
        try:
            with _os_errors(), os.scandir(folder) as entries:
                found = list(entries)
        except NotFound:
            return
        for entry in found:
            key = key_prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(folder / entry.name, f"{key}/")
            else:
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    yield StoredObject(key, status.st_size, status.st_mtime)

    def check(self) -> None:
        """See `Storage`."""
        key = new_check_key()
        scratch = self.scratch_folder / key.replace("/", "-")
        try:
            self._make_folders()
            scratch.write_bytes(b"video2mp3")
            self.put_file(key, scratch)
            if self.read(key, 0, 100) != b"video2mp3":
                raise StorageUnavailable(f"The storage folder {self._folder} does not give back what was stored.")
            self.delete(key)
        except OSError as error:
            raise StorageUnavailable(
                f"The storage folder {self._folder} cannot be written to: {error.strerror}."
            ) from error
        finally:
            # A readiness probe asks every few seconds: each file left on a full disk would make it fuller.
            with suppress(OSError):
                scratch.unlink(missing_ok=True)

    def close(self) -> None:
        """See `Storage`."""

    def _path(self, key: str) -> Path:
        return self._objects / check_key(key)


@contextmanager
def _os_errors() -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise NotFound from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull from error
        # Without the path: users see this sentence.
        raise StorageUnavailable(f"The storage does not answer: {error.strerror}.") from error


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
