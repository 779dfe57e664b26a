"""`video2mp3 admin verify`: reads all that is stored and lists what is damaged."""

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from video2mp3.cli.admin.db import open_database_and_storage
from video2mp3.cli.terminal import complain, shown, size

if TYPE_CHECKING:
    from video2mp3.jobs.housekeeping.verification import DamagedObject, DescribedObject

_PROGRESS_EVERY_S = 0.5
_ADVICE = (
    "Restore these objects from a backup (docs/backup.md), under the same keys. What cannot be restored: delete the "
    "upload or the conversion, and ask its owner to send the file again."
)

AsJSON = Annotated[bool, typer.Option("--json", help="One JSON object per damaged object, and one at the end.")]


def verify_command(as_json: AsJSON = False) -> None:
    """Read every stored upload and result, and list those that are missing or damaged.

    The service may run meanwhile. The exit status is 1 if something is damaged, 130 after Ctrl-C.
    """
    from video2mp3.jobs.housekeeping import verification

    damaged = 0
    with open_database_and_storage() as (database, storage):
        progress = _Progress(verification.stored_bytes(database))
        try:
            for found in verification.verify_stored(database, storage, progress.note):
                damaged += 1
                progress.clear()
                typer.echo(_json(found) if as_json else _line(found))
        except KeyboardInterrupt:
            progress.clear()
            complain("", f"interrupted; {progress.summary()} verified, {damaged} damaged")
            raise typer.Exit(130) from None
        progress.clear()
    if as_json:
        typer.echo(json.dumps({"objects": progress.objects, "bytes": progress.read_bytes, "damaged": damaged}))
    else:
        typer.echo(f"{progress.summary()} verified, {damaged} damaged")
    if damaged:
        if not as_json:
            typer.echo(_ADVICE)
        raise typer.Exit(1)


class _Progress:
    """Counts what was read, and shows it where standard error is a terminal."""

    def __init__(self, total_bytes: int) -> None:
        self.objects = 0
        self.read_bytes = 0
        self._total_bytes = total_bytes
        self._shows = sys.stderr.isatty()
        self._shown_s = 0.0

    def note(self, described: "DescribedObject") -> None:
        self.objects += 1
        self.read_bytes += described.stored.size_bytes
        if self._shows and time.monotonic() - self._shown_s > _PROGRESS_EVERY_S:
            self._shown_s = time.monotonic()
            text = f"\r\033[K{size(self.read_bytes)} of {size(self._total_bytes)} verified"
            print(text, end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._shows:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def summary(self) -> str:
        return f"{self.objects} objects, {size(self.read_bytes)}"


def _line(found: "DamagedObject") -> str:
    what = found.described
    return "  ".join((found.damage, what.kind, what.id, shown(what.user), shown(what.name), what.stored.key))


def _json(found: "DamagedObject") -> str:
    what = found.described
    facts = {"damage": found.damage, "kind": what.kind, "id": what.id, "user": what.user, "name": what.name}
    return json.dumps({**facts, "key": what.stored.key})
