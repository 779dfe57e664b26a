"""The client class: upload, convert, wait and download."""

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

import httpx

from video2mp3.client.connection import RETRY_STATUSES, Connection, backoff_delays_s, unreachable
from video2mp3.client.conversion import Conversion
from video2mp3.client.errors import ClientError, error_from_response
from video2mp3.client.resume_store import ResumeStore
from video2mp3.client.tus import OnProgress, create_upload, fetch_offset, send_remaining

_PIECE_SIZE_BYTES = 256 * 1024
_POLL_S = 1.0


class Client:
    """One user's access to a service. Blocking; use it from one thread at a time, and close it or use a with block.

    Every call raises `ClientError`, or OSError for local files. The client retries after dropped connections and
    restarts of the service.
    """

    def __init__(self, server: str, *, token: str | None = None, resume_folder: Path | str | None = None) -> None:
        """Connects at the first call.

        Args:
            server: The service's address, such as http://localhost:8000.
            token: An access token or an API key; alternatively call `sign_in`. Programs on the service's machine need
                neither.
            resume_folder: Folder in which the addresses of unfinished uploads are kept, so that another process can
                resume them.
        """
        self._connection = Connection(server, token)
        self._resume_store = None if resume_folder is None else ResumeStore(Path(resume_folder), server)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def sign_in(self, username: str, password: str) -> None:
        """Signs in to an account; the client renews the session."""
        self._connection.sign_in(username, password)

    def account(self) -> Mapping[str, Any]:
        """Returns the account that the token or the session belongs to."""
        return dict(self._connection.call("GET", "/v1/me").json())

    def create_api_key(self, name: str, scopes: Sequence[str]) -> str:
        """Creates an API key (docs/accounts.md) and returns it; needs a session with a password."""
        return str(
            self._connection.call("POST", "/v1/api-keys", json={"name": name, "scopes": [*scopes]}).json()["key"]
        )

    def upload(
        self, file: Path | str, *, name: str | None = None, on_progress: OnProgress = lambda _sent, _all: None
    ) -> str:
        """Uploads a file, or resumes its unfinished upload; returns the upload's id.

        Args:
            file: The file; it must not change meanwhile.
            name: The name to display; None: the file's name.
            on_progress: Called often, with the bytes sent so far and the size.
        """
        path = Path(file)
        with path.open("rb") as opened:
            size_bytes = os.fstat(opened.fileno()).st_size
            address = self._resume_store.find(path) if self._resume_store else None
            offset_bytes = fetch_offset(self._connection, address) if address else None
            if address is None or offset_bytes is None or offset_bytes > size_bytes:
                address, offset_bytes = create_upload(self._connection, name or path.name, size_bytes), 0
                if self._resume_store:
                    self._resume_store.keep(path, address)
            send_remaining(self._connection, address, opened, size_bytes, offset_bytes, on_progress)
        return address.rstrip("/").rpartition("/")[2]

    def forget(self, file: Path | str) -> None:
        """Forgets the file's upload, so that the next `upload` sends the file again."""
        if self._resume_store:
            self._resume_store.forget(Path(file))

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
        """Creates a conversion of an upload, or of the file at a URL.

        Args:
            upload_id: From `upload`.
            url: Instead of `upload_id`: an http or https URL.
            options: Such as `{"bitrate_kbps": 128}` (docs/options.md).
            tag: A text that the service returns with the conversion.
            cover_upload_id: An upload with the picture for the front cover.
            result_url: The URL to which the service sends the MP3 with PUT.
            idempotency_key: Repeated calls with the same key create one conversion; None: a new key.
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
        """Returns the present state of a conversion."""
        return Conversion.of(self._connection.call("GET", f"/v1/conversions/{conversion_id}").json())

    def wait(
        self,
        conversion_id: str,
        *,
        timeout_s: float | None = None,
        on_progress: Callable[[Conversion], None] = lambda _: None,
    ) -> Conversion:
        """Waits until a conversion is finished and returns it. `on_progress` is called once a second.

        Raises:
            ClientError: with the conversion's code when it failed or was canceled; `timeout` when it did not end within
                `timeout_s` seconds.
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
                raise ClientError("timeout", "The conversion did not end in time.", retryable=True)
            time.sleep(_POLL_S)

    def warnings(self, conversion_id: str) -> list[str]:
        """Returns what a finished conversion warns of, such as damage; docs/results.md describes the whole report."""
        return list(self._connection.call("GET", f"/v1/conversions/{conversion_id}/report").json()["warnings"])

    def download(
        self, conversion: Conversion, target: Path | str, *, on_progress: OnProgress = lambda _got, _all: None
    ) -> None:
        """Downloads the MP3 (or the ZIP of several) of a finished conversion; `target` is never incomplete.

        Overwrites an existing file. Verifies the SHA-256 that the service reports.
        """
        result = conversion.data["result"]
        if result is None:
            raise ClientError("not_finished", "The conversion has no MP3 yet, or it has expired.")
        path = Path(target)
        temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")
        try:
            with temporary.open("xb+") as file:
                self._receive(conversion.data["links"]["mp3"], file, result["size_bytes"], on_progress)
                file.seek(0)
                if hashlib.file_digest(file, "sha256").hexdigest() != result["sha256"]:
                    raise ClientError("damaged", "The MP3 was damaged during the download; try again.", retryable=True)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _receive(self, address: str, file: BinaryIO, size_bytes: int, on_progress: OnProgress) -> None:
        delays_s = backoff_delays_s()
        while (before_bytes := file.tell()) < size_bytes:
            failure = self._receive_some(address, file, size_bytes, on_progress)
            if failure is None:
                return
            if file.tell() > before_bytes:
                delays_s = backoff_delays_s()
            elif (delay_s := next(delays_s)) is None:
                raise failure
            else:
                time.sleep(delay_s)

    def _receive_some(
        self, address: str, file: BinaryIO, size_bytes: int, on_progress: OnProgress
    ) -> ClientError | None:
        """Sends one request; returns the error if a retry can help."""
        start = file.tell()
        headers = {"Range": f"bytes={start}-"} if start else {}
        try:
            with self._connection.stream(address, headers) as answer:
                if not answer.is_success:
                    answer.read()
                    failure = error_from_response(answer)
                    if answer.status_code in RETRY_STATUSES:
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
