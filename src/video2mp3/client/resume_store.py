"""Stores the URLs of unfinished uploads in a folder, so that another process can resume them."""

import hashlib
import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_KEPT_S = 30 * 86_400
"""Longer than services keep unfinished uploads."""


class ResumeStore:
    """Stores the URL of each unfinished upload, by service and file.

    A file with another size or modification time counts as another file.
    """

    def __init__(self, folder: Path, server: str) -> None:
        """Creates `folder` when needed."""
        self._folder = folder
        self._server = server.rstrip("/")

    def find(self, file: Path) -> str | None:
        """Returns the URL of the file's unfinished upload, or None."""
        try:
            known = json.loads(self._entry(file).read_text("utf-8"))
            return str(known["upload"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, file: Path, address: str) -> None:
        """Stores the URL of the file's upload."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in self._folder.iterdir():
            with suppress(OSError):
                if old.stat().st_mtime < time.time() - _KEPT_S:
                    old.unlink()
        place = self._entry(file)
        descriptor, name = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as written:
            json.dump({"server": self._server, "file": str(file.absolute()), "upload": address}, written)
        Path(name).replace(place)

    def forget(self, file: Path) -> None:
        """Removes the file's entry."""
        with suppress(OSError):
            self._entry(file).unlink(missing_ok=True)

    def _entry(self, file: Path) -> Path:
        status = file.stat()
        facts = (self._server, str(file.resolve()), status.st_size, status.st_mtime_ns)
        return self._folder / f"{hashlib.sha256(repr(facts).encode()).hexdigest()}.json"
