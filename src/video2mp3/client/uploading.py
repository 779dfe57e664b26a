"""Uploads that resume: the tus protocol, 1.0 (https://tus.io/protocols/resumable-upload)."""

import base64
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

import httpx

from video2mp3.client.connection import LATER, Connection, pauses_s, unreachable
from video2mp3.client.errors import ClientError, error_of

OnProgress = Callable[[int, int], None]
"""Takes the bytes that were sent, and the size of all."""

_TUS = {"Tus-Resumable": "1.0.0"}
_PIECE_SIZE_BYTES = 256 * 1024
# Of a request for the rest: the offset was another one, or the sign-in has run out. Asking for the offset mends both.
_ASK_AGAIN = (401, 409, 423)


def begin(connection: Connection, name: str, size_bytes: int) -> str:
    """Begins an upload; returns its address. Raises ClientError."""
    metadata = f"filename {base64.b64encode(name.encode('utf-8', 'surrogateescape')).decode()}"
    headers = {**_TUS, "Upload-Length": str(size_bytes), "Upload-Metadata": metadata}
    return str(connection.call("POST", "/v1/uploads", headers=headers).headers["Location"])


def find_offset(connection: Connection, address: str) -> int | None:
    """Asks how much of an upload has arrived; None when there is no such upload any more. Raises ClientError."""
    try:
        return int(connection.call("HEAD", address, headers=_TUS).headers["Upload-Offset"])
    except ClientError as error:
        if error.status in (403, 404, 410):
            return None
        raise


def send_rest(
    connection: Connection, address: str, file: BinaryIO, size_bytes: int, offset_bytes: int, on_progress: OnProgress
) -> None:
    """Sends what has not arrived yet, whatever breaks in between.

    Raises:
        ClientError: when the service refuses it, or when several tries in a row bring nothing.
    """
    pauses = pauses_s()
    on_progress(offset_bytes, size_bytes)
    while offset_bytes < size_bytes:
        failure = _try(connection, address, file, size_bytes, offset_bytes, on_progress)
        if failure is None:
            return
        arrived_bytes = find_offset(connection, address)
        if arrived_bytes is None:
            raise ClientError("upload_deleted", "The upload is gone; send the file again.", status=404)
        if arrived_bytes > offset_bytes:
            pauses = pauses_s()
        elif (pause_s := next(pauses)) is None:
            raise failure
        else:
            time.sleep(pause_s)
        offset_bytes = arrived_bytes
        on_progress(offset_bytes, size_bytes)


def _try(
    connection: Connection, address: str, file: BinaryIO, size_bytes: int, offset_bytes: int, on_progress: OnProgress
) -> ClientError | None:
    """One request; returns what went wrong where another one can help. Raises ClientError where it cannot."""
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
    failure = error_of(answer)
    if answer.status_code in (*LATER, *_ASK_AGAIN) or failure.retryable:
        return failure
    raise failure


def _pieces(file: BinaryIO, offset_bytes: int, size_bytes: int, on_progress: OnProgress) -> Iterator[bytes]:
    file.seek(offset_bytes)
    while piece := file.read(min(_PIECE_SIZE_BYTES, size_bytes - offset_bytes)):
        yield piece
        offset_bytes += len(piece)
        on_progress(offset_bytes, size_bytes)
