"""Which uploads are unfinished, kept in a folder, so that another process can go on with them."""

import hashlib
import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_KEPT_S = 30 * 86_400
"""Longer than services keep what is unfinished."""


class Memory:
    """Keeps the address of each upload that was begun, by service and by file.

    A file that has changed since (its size or its time) is another one.
    """

    def __init__(self, folder: Path, server: str) -> None:
        """`folder` is made when it is needed."""
        self._folder = folder
        self._server = server.rstrip("/")

    def find(self, file: Path) -> str | None:
        """Returns the address of the file's upload, where one was begun."""
        try:
            known = json.loads(self._place(file).read_text("utf-8"))
            return str(known["upload"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, file: Path, address: str) -> None:
        """Writes down where the file's upload is."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in self._folder.iterdir():
            with suppress(OSError):
                if old.stat().st_mtime < time.time() - _KEPT_S:
                    old.unlink()
        place = self._place(file)
        descriptor, name = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as written:
            json.dump({"server": self._server, "file": str(file.absolute()), "upload": address}, written)
        Path(name).replace(place)

    def forget(self, file: Path) -> None:
        """Strikes out the file's upload."""
        with suppress(OSError):
            self._place(file).unlink(missing_ok=True)

    def _place(self, file: Path) -> Path:
        status = file.stat()
        facts = (self._server, str(file.resolve()), status.st_size, status.st_mtime_ns)
        return self._folder / f"{hashlib.sha256(repr(facts).encode()).hexdigest()}.json"
