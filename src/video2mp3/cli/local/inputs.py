"""What a command reads, as people name it: a path, a URL, or `-` for standard input."""

import contextlib
import os
import re
import select
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO
from urllib.parse import unquote, urlsplit

from video2mp3.cli.local.files import open_source
from video2mp3.cli.terminal import reason, stop
from video2mp3.engine import FileSource
from video2mp3.errors import Canceled, InvalidRequest

STANDARD_INPUT = "-"
_URL = re.compile(r"https?://", re.IGNORECASE)
_NOT_IN_NAMES = re.compile(r"[/\\\x00-\x1f\x7f]+")
_PIECE_SIZE_BYTES = 1024**2
_PIECES = 4
"""Pieces of a download that may wait to be stored."""
_TIMEOUT_S = 60
_TICK_S = 0.2
"""Longest time until standard input is not waited for any more."""


@dataclass(frozen=True)
class Input:
    """One input of a command."""

    file: Path
    """Where it is; for a URL and standard input the name that its MP3 is derived from."""
    origin: str | None = None
    """The URL, or `-`; None: the file."""
    folder: Path | None = None
    """The folder that was given, if the file was found in it."""

    def __str__(self) -> str:
        return self.origin or str(self.file)


def input_of(text: str) -> Input:
    """Returns the input that an argument names. Ends the program if it is empty."""
    if not text:  # the folder of the shell, as a path
        stop("An argument is empty; is the variable set that it comes from?")
    if text == STANDARD_INPUT:
        return Input(Path("stdin"), text)
    if _URL.match(text):
        try:
            url = urlsplit(text)
        except ValueError:  # an error follows once it is fetched
            return Input(Path("download"), text)
        name = _NOT_IN_NAMES.sub(" ", unquote(url.path).rpartition("/")[2]).strip(". ")
        return Input(Path(name[-200:] or url.hostname or "download"), text)
    return Input(Path(text))


@contextlib.contextmanager
def opened(given: Input, should_stop: Callable[[], bool] = lambda: False) -> Iterator[FileSource]:
    """Opens an input. What does not come from a file is stored in a temporary one: decoders have to seek.

    Raises:
        NotFound, InvalidRequest: it cannot be read; the sentence says why.
        Canceled: `should_stop` returned True.
    """
    if given.origin is None:
        with open_source(given.file) as source:
            yield source
        return
    with tempfile.NamedTemporaryFile(prefix="video2mp3-") as file:
        if given.origin == STANDARD_INPUT:
            _copy_standard_input(file, should_stop)
        else:
            _fetch(given.origin, file, should_stop)
        file.flush()
        with FileSource(file.name) as source:
            # Nothing better is known about standard input; an empty name leaves the title out.
            source.name = "" if given.origin == STANDARD_INPUT else given.file.name
            yield source


def _copy(read: Callable[[], bytes], file: IO[bytes], should_stop: Callable[[], bool]) -> None:
    while piece := read():
        if should_stop():
            raise Canceled
        file.write(piece)


def _copy_standard_input(file: IO[bytes], should_stop: Callable[[], bool]) -> None:
    if sys.stdin is None or sys.stdin.isatty():
        raise InvalidRequest("Standard input is a terminal; send a file to it, as in `video2mp3 convert - <talk.mp4`.")
    descriptor = sys.stdin.fileno()

    def read() -> bytes:
        while not select.select([descriptor], [], [], _TICK_S)[0]:
            if should_stop():
                raise Canceled
        return os.read(descriptor, _PIECE_SIZE_BYTES)

    try:
        _copy(read, file, should_stop)
    except OSError as error:
        raise InvalidRequest(f"Standard input cannot be read or stored: {reason(error)}.") from None


def _fetch(url: str, file: IO[bytes], should_stop: Callable[[], bool]) -> None:
    """Downloads in a separate thread, which nobody waits for: a server that is silent keeps it waiting."""
    pieces: Queue[bytes | InvalidRequest] = Queue(_PIECES)
    Thread(target=_download, args=(url, pieces), daemon=True).start()

    def read() -> bytes:
        while not should_stop():
            with contextlib.suppress(Empty):
                piece = pieces.get(timeout=_TICK_S)
                if isinstance(piece, InvalidRequest):
                    raise piece
                return piece
        raise Canceled

    try:
        _copy(read, file, should_stop)
    except OSError as error:
        raise InvalidRequest(f"The download cannot be stored: {reason(error)}.") from None


def _download(url: str, pieces: "Queue[bytes | InvalidRequest]") -> None:
    """Passes the pieces on, and an empty one or an error at the end."""
    try:
        for piece in _pieces_of(url):
            pieces.put(piece)
        pieces.put(b"")
    except InvalidRequest as error:
        pieces.put(error)


def _pieces_of(url: str) -> Iterator[bytes]:
    from http.client import HTTPException  # loaded for URLs only
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    from video2mp3 import __version__

    received = 0
    try:
        request = Request(url, headers={"User-Agent": f"video2mp3/{__version__}"})  # noqa: S310 http and https only
        with urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            promised = response.headers.get("Content-Length")
            while piece := response.read1(_PIECE_SIZE_BYTES):
                received += len(piece)
                yield piece
    except HTTPError as error:
        raise InvalidRequest(f"The server answered {error.code} ({error.reason}).") from None
    except (HTTPException, ValueError) as error:
        raise InvalidRequest(f"The URL cannot be fetched: {error or type(error).__name__}.") from None
    except OSError as error:  # URLError is one
        cause = getattr(error, "reason", error)
        why = reason(cause) if isinstance(cause, OSError) else str(cause)
        raise InvalidRequest(f"The URL cannot be fetched: {why}.") from None
    if promised is not None and promised.isdigit() and received < int(promised):
        raise InvalidRequest(f"The download ended after {received} of {promised} bytes; try again.")
