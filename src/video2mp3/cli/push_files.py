"""`video2mp3 push`: uploads all files, then waits for each MP3 and downloads it."""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from video2mp3.cli.local.files import check_target, made_folder, open_source
from video2mp3.cli.terminal import complain, reason, shown, size
from video2mp3.client import Client, ClientError, Conversion
from video2mp3.engine import ResolvedOptions
from video2mp3.errors import ConfigurationError, Video2mp3Error


def push(
    tasks: Sequence[tuple[Path, Path]],
    server: str,
    access: str | tuple[str, str] | None,
    options: ResolvedOptions,
    *,
    force: bool,
) -> bool:
    """Converts files with a service and reports the results. Returns whether all succeeded.

    Args:
        tasks: Each file with its target.
        server: The service's address.
        access: An API key, or name and password; None if the service needs no account.
        options: Options for all conversions, including the cover picture.
        force: Overwrite existing targets.
    """
    try:
        token = access if isinstance(access, str) else None
        with Client(server, token=token, resume_folder=_resume_folder()) as client:
            if isinstance(access, tuple):
                client.sign_in(*access)
            return _Push(client, options, force).run(tasks)
    except ClientError as error:
        complain("", error.detail)
        return False


@dataclass(frozen=True)
class _Sent:
    """A file whose conversion was created."""

    file: Path
    target: Path
    conversion: Conversion


class _Push:
    """One run of the command. It reports the error of a file and continues with the others."""

    def __init__(self, client: Client, options: ResolvedOptions, force: bool) -> None:
        self._client = client
        self._options = replace(options, cover_picture=None).requested()
        self._picture = options.cover_picture
        self._force = force
        self._succeeded = True

    def run(self, tasks: Sequence[tuple[Path, Path]]) -> bool:
        """Returns whether all succeeded."""
        with _bars() as bars:
            sent = [one for file, target in tasks if (one := self._send(file, target, bars)) is not None]
            for one in sent:
                self._fetch(one, bars)
        return self._succeeded

    def _send(self, file: Path, target: Path, bars: Progress) -> _Sent | None:
        """Uploads a file and creates its conversion."""
        try:
            check_target(target, file, self._force)
            with open_source(file), _bar(bars, f"{shown(file)}: sending") as show:
                upload_id = self._client.upload(file, on_progress=show)
                cover_upload_id = self._send_picture()
                # The key depends on file and options only, so repeated runs of the command find the same conversion.
                order = json.dumps([upload_id, cover_upload_id, self._options], sort_keys=True)
                conversion = self._client.convert(
                    upload_id,
                    options=self._options,
                    cover_upload_id=cover_upload_id,
                    idempotency_key=hashlib.sha256(order.encode()).hexdigest(),
                )
        except (ClientError, Video2mp3Error, OSError) as error:
            self._fail(file, error)
            return None
        return _Sent(file, target, conversion)

    def _send_picture(self) -> str | None:
        """Uploads the cover picture, if there is one; equal pictures share one upload."""
        if self._picture is None:
            return None
        path = _resume_folder() / f"{hashlib.sha256(self._picture).hexdigest()}.cover"
        if not path.exists():
            path.write_bytes(self._picture)
        return self._client.upload(path)

    def _fetch(self, sent: _Sent, bars: Progress) -> None:
        """Waits for a conversion and downloads its MP3."""
        try:
            with _bar(bars, f"{shown(sent.file)}: converting") as show:
                done = self._client.wait(sent.conversion.id, on_progress=lambda now: show(now.percent, 100))
            with _bar(bars, f"{shown(sent.file)}: fetching") as show:
                check_target(sent.target, sent.file, self._force)
                with made_folder(sent.target.parent):
                    self._client.download(done, sent.target, on_progress=show)
            warnings = self._client.warnings(done.id)
        except (ClientError, Video2mp3Error, OSError) as error:
            self._fail(sent.file, error)
        else:
            self._client.forget(sent.file)
            for warning in warnings:
                complain(shown(sent.file), f"warning: {shown(warning)}")
            print(f"{shown(sent.file)} -> {shown(sent.target)} ({size(done.size_bytes or 0)})", flush=True)

    def _fail(self, file: Path, error: ClientError | Video2mp3Error | OSError) -> None:
        detail = f"{shown(error.filename or '')}: {reason(error)}." if isinstance(error, OSError) else error.detail
        complain(shown(file), detail)
        self._succeeded = False
        if isinstance(error, ClientError) and not error.retryable:
            # The next run starts a new upload.
            self._client.forget(file)


def _resume_folder() -> Path:
    """Returns the folder for unfinished uploads, as the XDG Base Directory Specification asks."""
    if base := os.environ.get("XDG_STATE_HOME"):
        return Path(base) / "video2mp3" / "uploads"
    try:
        return Path.home() / ".local" / "state" / "video2mp3" / "uploads"
    except RuntimeError:
        raise ConfigurationError("This user has no home folder; name a folder with XDG_STATE_HOME.") from None


def _bars() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None, complete_style="cyan", pulse_style="cyan"),
        TaskProgressColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(compact=True),
        console=console,
        expand=True,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # otherwise rich sends results to standard error
    )


@contextmanager
def _bar(bars: Progress, description: str) -> Iterator[Callable[[int, int], None]]:
    """Shows a bar while the with block runs."""
    task = bars.add_task(description, total=None)
    try:
        yield lambda done, total: bars.update(task, completed=done, total=total)
    finally:
        bars.remove_task(task)
