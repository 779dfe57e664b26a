"""Resumable uploads with the tus protocol 1.0 (https://tus.io/protocols/resumable-upload)."""

import base64
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

import httpx

from video2mp3.client.connection import RETRY_STATUSES, Connection, backoff_delays_s, unreachable
from video2mp3.client.errors import ClientError, error_from_response

OnProgress = Callable[[int, int], None]
"""Takes the number of bytes sent so far, and the size."""

_TUS = {"Tus-Resumable": "1.0.0"}
_PIECE_SIZE_BYTES = 256 * 1024
# Statuses after which the client asks for the offset again: another offset, or an expired token.
_OFFSET_RETRY_STATUSES = (401, 409, 423)


def create_upload(connection: Connection, name: str, size_bytes: int) -> str:
    """Creates an upload; returns its URL. Raises ClientError."""
    metadata = f"filename {base64.b64encode(name.encode('utf-8', 'surrogateescape')).decode()}"
    headers = {**_TUS, "Upload-Length": str(size_bytes), "Upload-Metadata": metadata}
    return str(connection.call("POST", "/v1/uploads", headers=headers).headers["Location"])


def fetch_offset(connection: Connection, address: str) -> int | None:
    """Returns the offset of an upload; None if the upload no longer exists. Raises ClientError."""
    try:
        return int(connection.call("HEAD", address, headers=_TUS).headers["Upload-Offset"])
    except ClientError as error:
        if error.status in (403, 404, 410):
            return None
        raise


def send_remaining(
    connection: Connection, address: str, file: BinaryIO, size_bytes: int, offset_bytes: int, on_progress: OnProgress
) -> None:
    """Sends the remaining bytes, and resumes after errors.

    Raises:
        ClientError: when the service rejects the upload, or when several attempts in a row make no progress.
    """
    delays_s = backoff_delays_s()
    on_progress(offset_bytes, size_bytes)
    while offset_bytes < size_bytes:
        failure = _try(connection, address, file, size_bytes, offset_bytes, on_progress)
        if failure is None:
            return
        arrived_bytes = fetch_offset(connection, address)
        if arrived_bytes is None:
            raise ClientError("upload_deleted", "The upload was deleted; send the file again.", status=404)
        if arrived_bytes > offset_bytes:
            delays_s = backoff_delays_s()
        elif (delay_s := next(delays_s)) is None:
            raise failure
        else:
            time.sleep(delay_s)
        offset_bytes = arrived_bytes
        on_progress(offset_bytes, size_bytes)


def _try(
    connection: Connection, address: str, file: BinaryIO, size_bytes: int, offset_bytes: int, on_progress: OnProgress
) -> ClientError | None:
    """Sends one request; returns the error if a retry can help, else raises ClientError."""
    headers = {
        **_TUS,
        "Upload-Offset": str(offset_bytes),
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": str(size_bytes - offset_bytes),
    }
    content = _pieces(file, offset_bytes, size_bytes, on_progress)
    try:
        answer = connection.send_once("PATCH", address, content=content, headers=headers)
    except httpx.TransportError as error:
        return unreachable(error)
    if answer.is_success:
        return None
    failure = error_from_response(answer)
    if answer.status_code in (*RETRY_STATUSES, *_OFFSET_RETRY_STATUSES) or failure.retryable:
        return failure
    raise failure


def _pieces(file: BinaryIO, offset_bytes: int, size_bytes: int, on_progress: OnProgress) -> Iterator[bytes]:
    file.seek(offset_bytes)
    while piece := file.read(min(_PIECE_SIZE_BYTES, size_bytes - offset_bytes)):
        yield piece
        offset_bytes += len(piece)
        on_progress(offset_bytes, size_bytes)
