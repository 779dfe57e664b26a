"""The tus protocol, version 1.0 (https://tus.io/protocols/resumable-upload): its headers and the versions."""

import base64
import binascii
import hashlib
import hmac
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from video2mp3.api.frame.problems import problem_response
from video2mp3.api.frame.services import get_services
from video2mp3.errors import ChecksumMismatch, InvalidUploadHeader, WrongTusVersion

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination"
ALGORITHMS = ("sha1", "sha256", "md5")
MEDIA_TYPE = "application/offset+octet-stream"
MAX_METADATA_LENGTH = 8192

_PREFIX = "/v1/uploads"
# What a client that can send no other method may mean by POST.
_MEANT = ("PATCH", "DELETE", "HEAD")
_METADATA_KEY = re.compile(r"[!-+\--~]+")  # ASCII without space and comma


class Tus:
    """Pure ASGI middleware around the addresses of uploads.

    It accepts the address with a final slash, answers OPTIONS, applies `X-HTTP-Method-Override`, refuses other versions
    of the protocol, and adds the version to every response, including errors.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or not (scope["path"] == _PREFIX or scope["path"].startswith(f"{_PREFIX}/")):
            await self._app(scope, receive, send)
            return
        if scope["path"] == f"{_PREFIX}/":
            scope = {**scope, "path": _PREFIX}  # many servers create uploads there, and so many clients are set up
        headers = Headers(scope=scope)
        override = headers.get("x-http-method-override", "").upper()
        if scope["method"] == "POST" and override in _MEANT:
            scope = {**scope, "method": override}
        if scope["method"] == "OPTIONS":
            await _capabilities(Request(scope))(scope, receive, send)
            return
        version = headers.get("tus-resumable")
        if version is None and scope["method"] != "PATCH":
            await self._app(scope, receive, send)
            return
        send = _Versioned(send).send
        if version != VERSION:
            refused = problem_response(Request(scope), WrongTusVersion(), headers={"Tus-Version": VERSION})
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)


class _Versioned:
    """Names the protocol's version in the answer."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Tus-Resumable"] = VERSION
        await self._send(message)


def _capabilities(request: Request) -> Response:
    headers = {
        "Tus-Resumable": VERSION,
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(get_services(request).settings.max_upload_bytes),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }
    return Response(status_code=204, headers=headers)


MAX_NUMBER = 10**18 - 1
"""The largest number of bytes in a header."""


def number(request: Request, name: str) -> int | None:
    """Returns a header that is a number of bytes; None where there is none.

    Raises:
        InvalidUploadHeader: when it is no such number.
    """
    value = request.headers.get(name)
    if value is None:
        return None
    # No more digits than any database takes; Python refuses to read thousands of them.
    if not (value.isascii() and value.isdigit() and len(value) <= len(str(MAX_NUMBER))):
        raise InvalidUploadHeader(f"{name} has to be a number of bytes.")
    return int(value)


def require_single(request: Request) -> None:
    """Raises InvalidUploadHeader if the upload is to be a part of another one, or put together of several."""
    if "upload-concat" in request.headers:
        raise InvalidUploadHeader(
            "Upload-Concat: this service does not put uploads together (the extension `concatenation`); send the file "
            "as one upload, without the client's option for parallel uploads."
        )


def name_in_metadata(metadata: str) -> str:
    """Returns the file's name in an `Upload-Metadata` header; empty where it has none.

    Raises:
        InvalidUploadHeader: when it is no such header.
    """
    found: dict[str, str] = {}
    if len(metadata) > MAX_METADATA_LENGTH:
        raise InvalidUploadHeader(f"Upload-Metadata is longer than {MAX_METADATA_LENGTH} characters.")
    for pair in metadata.split(",") if metadata.strip() else []:
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            key = ""
        if not _METADATA_KEY.fullmatch(key):
            raise InvalidUploadHeader("Upload-Metadata has to be keys with values in Base64, parted by commas.")
    return found.get("filename") or found.get("name") or ""


class Checksum:
    """What the bytes of one request have to hash to: its `Upload-Checksum` header."""

    def __init__(self, header: str) -> None:
        """Reads the header.

        Raises:
            InvalidUploadHeader: when it names another algorithm, or no hash of its length.
        """
        algorithm, _, value = header.strip().partition(" ")
        if algorithm not in ALGORITHMS:
            raise InvalidUploadHeader(f"Upload-Checksum: one of {', '.join(ALGORITHMS)}, then the hash in Base64.")
        self._hash = hashlib.new(algorithm, usedforsecurity=False)
        try:
            self._wanted = base64.b64decode(value.strip(), validate=True)
        except (binascii.Error, ValueError):
            self._wanted = b""
        if len(self._wanted) != self._hash.digest_size:
            raise InvalidUploadHeader(f"Upload-Checksum: that is no {algorithm} in Base64.")

    def update(self, data: bytes) -> None:
        """Takes the next bytes."""
        self._hash.update(data)

    def check(self) -> None:
        """Raises ChecksumMismatch when other bytes came."""
        if not hmac.compare_digest(self._hash.digest(), self._wanted):
            raise ChecksumMismatch


def checksum_of(request: Request) -> Checksum | None:
    """Returns what the body has to hash to; None where the client does not say.

    Raises:
        InvalidUploadHeader: see `Checksum`.
    """
    header = request.headers.get("upload-checksum")
    return Checksum(header) if header is not None else None
