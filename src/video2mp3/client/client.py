"""The client: what a program does with a service, in a few calls."""

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self

import httpx

from video2mp3.client.connection import LATER, Connection, pauses_s, unreachable
from video2mp3.client.conversion import Conversion
from video2mp3.client.errors import ClientError, error_of
from video2mp3.client.memory import Memory
from video2mp3.client.uploading import OnProgress, begin, find_offset, send_rest

_PIECE_SIZE_BYTES = 256 * 1024
_POLL_S = 1.0


class Client:
    """A service, as one user sees it. Blocking; used by one thread at a time; to be closed, or used in a with block.

    Every call raises `ClientError`, and OSError for files of this machine. What fails for a moment (the line, a restart
    of the service) is tried again.
    """

    def __init__(self, server: str, *, token: str | None = None, memory: Path | str | None = None) -> None:
        """Connects only when first used.

        Args:
            server: The service's address, such as http://localhost:8000.
            token: An access token. Instead of it, `sign_in`; programs on the service's own machine need neither.
            memory: A folder in which unfinished uploads are remembered, so that another process goes on with them.
        """
        self._connection = Connection(server, token)
        self._memory = None if memory is None else Memory(Path(memory), server)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def sign_in(self, username: str, password: str) -> None:
        """Signs in to an account; the sign-in is renewed as long as the client is used."""
        self._connection.sign_in(username, password)

    def upload(
        self, file: Path | str, *, name: str | None = None, on_progress: OnProgress = lambda _sent, _all: None
    ) -> str:
        """Sends a file, or goes on with it where it was begun before; returns the upload's id.

        Args:
            file: What to send. It must not change meanwhile.
            name: What to call it; None: as it is called here.
            on_progress: Called with the bytes that were sent so far and the size, often.
        """
        path = Path(file)
        with path.open("rb") as opened:
            size_bytes = os.fstat(opened.fileno()).st_size
            address = self._memory.find(path) if self._memory else None
            offset_bytes = find_offset(self._connection, address) if address else None
            if address is None or offset_bytes is None or offset_bytes > size_bytes:
                address, offset_bytes = begin(self._connection, name or path.name, size_bytes), 0
                if self._memory:
                    self._memory.keep(path, address)
            send_rest(self._connection, address, opened, size_bytes, offset_bytes, on_progress)
        return address.rstrip("/").rpartition("/")[2]

    def forget(self, file: Path | str) -> None:
        """Forgets the file's upload, so that the next one begins anew. A finished one is remembered until then."""
        if self._memory:
            self._memory.forget(Path(file))

    def convert(
        self,
        upload_id: str | None = None,
        *,
        url: str | None = None,
        options: Mapping[str, Any] | None = None,
        tag: str | None = None,
        cover_upload_id: str | None = None,
        result_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> Conversion:
        """Orders a conversion of an upload, or of the file at a URL.

        Args:
            upload_id: From `upload`.
            url: In its place: http or https.
            options: Such as `{"bitrate_kbps": 128}` (docs/options.md).
            tag: A text that is given back with the conversion.
            cover_upload_id: An upload, too: the picture for the front cover.
            result_url: Where the service is to send the MP3 with PUT.
            idempotency_key: The same call with the same key makes one conversion; None: a new key.
        """
        order = {
            "upload_id": upload_id,
            "source": None if url is None else {"url": url},
            "options": dict(options or {}),
            "tag": tag,
            "cover_upload_id": cover_upload_id,
            "result_url": result_url,
        }
        given = {field: value for field, value in order.items() if value is not None}
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        return Conversion.of(self._connection.call("POST", "/v1/conversions", json=given, headers=headers).json())

    def read(self, conversion_id: str) -> Conversion:
        """Returns a conversion as it is now."""
        return Conversion.of(self._connection.call("GET", f"/v1/conversions/{conversion_id}").json())

    def wait(
        self,
        conversion_id: str,
        *,
        timeout_s: float | None = None,
        on_progress: Callable[[Conversion], None] = lambda _: None,
    ) -> Conversion:
        """Waits for a conversion's end and returns it, finished. `on_progress` is called each second.

        Raises:
            ClientError: with the conversion's own code when it failed or was canceled; `timeout` when it has not ended
                within `timeout_s` seconds.
        """
        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            conversion = self.read(conversion_id)
            on_progress(conversion)
            if conversion.state == "finished":
                return conversion
            if conversion.ended:
                detail = conversion.error_detail or "The conversion was canceled."
                raise ClientError(conversion.error_code or "canceled", detail)
            if end_s is not None and time.monotonic() > end_s:
                raise ClientError("timeout", "The conversion has not ended in time.", retryable=True)
            time.sleep(_POLL_S)

    def download(
        self, conversion: Conversion, target: Path | str, *, on_progress: OnProgress = lambda _got, _all: None
    ) -> None:
        """Gets the MP3 (of several: the ZIP) of a finished conversion; the file is there whole, or not at all.

        A file that is there is overwritten. Its SHA-256 is compared with the one that the service tells.
        """
        result = conversion.data["result"]
        if result is None:
            raise ClientError("not_finished", "The conversion has no MP3, or none any more.")
        path = Path(target)
        part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")
        try:
            with part.open("xb+") as file:
                self._receive(conversion.data["links"]["mp3"], file, result["size_bytes"], on_progress)
                file.seek(0)
                if hashlib.file_digest(file, "sha256").hexdigest() != result["sha256"]:
                    raise ClientError("damaged", "The MP3 did not arrive as it was made; try again.", retryable=True)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def _receive(self, address: str, file: BinaryIO, size_bytes: int, on_progress: OnProgress) -> None:
        pauses = pauses_s()
        while (before_bytes := file.tell()) < size_bytes:
            failure = self._receive_some(address, file, size_bytes, on_progress)
            if failure is None:
                return
            if file.tell() > before_bytes:
                pauses = pauses_s()
            elif (pause_s := next(pauses)) is None:
                raise failure
            else:
                time.sleep(pause_s)

    def _receive_some(
        self, address: str, file: BinaryIO, size_bytes: int, on_progress: OnProgress
    ) -> ClientError | None:
        """One request; returns what went wrong where another one can help."""
        start = file.tell()
        headers = {"Range": f"bytes={start}-"} if start else {}
        try:
            with self._connection.stream(address, headers) as answer:
                if not answer.is_success:
                    answer.read()
                    failure = error_of(answer)
                    if answer.status_code in LATER:
                        return failure
                    raise failure
                if answer.status_code != 206:
                    file.seek(0)
                    file.truncate()
                for piece in answer.iter_bytes(_PIECE_SIZE_BYTES):
                    file.write(piece)
                    on_progress(file.tell(), size_bytes)
        except httpx.TransportError as error:
            return unreachable(error)
        return None
