"""A proxy in front of the S3 server that refuses what moto never refuses, in the words of AWS.

moto checks neither the region of a signature nor its time, and it knows every operation. The codes, statuses and
elements are those of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
"""

import http.client
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

_MAX_SKEW = timedelta(minutes=15)
_OF_A_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True)
class S3Request:
    """A request as it arrived."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Message


@dataclass(frozen=True)
class S3Error:
    """An error as S3 describes it."""

    status: int
    code: str
    message: str
    elements: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        elements = {"Code": self.code, "Message": self.message, **self.elements, "RequestId": "4442587FB7D0A2F9"}
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in elements.items())
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()


Refuse = Callable[[S3Request], S3Error | None]


def nothing(_: S3Request) -> None:
    """Refuses nothing."""


def always(status: int, code: str, message: str = "") -> Refuse:
    """Refuses each request in the same way."""
    return lambda _: S3Error(status, code, message)


def delete_objects(request: S3Request) -> S3Error | None:
    """Refuses to delete several objects at once, as Google Cloud Storage's S3 API did for years."""
    if request.method == "POST" and "delete" in request.query:
        return S3Error(501, "NotImplemented", "A header you provided implies functionality that is not implemented.")
    return None


def other_regions(region: str) -> Refuse:
    """Refuses signatures for another region than the bucket's."""

    def refuse(request: S3Request) -> S3Error | None:
        scope = re.search(r"Credential=[^/]+/\d{8}/([^/]+)/s3/", request.headers.get("Authorization", ""))
        if scope is None or scope[1] == region:
            return None
        message = f"The authorization header is malformed; the region '{scope[1]}' is wrong; expecting '{region}'"
        return S3Error(400, "AuthorizationHeaderMalformed", message, {"Region": region})

    return refuse


def wrong_clocks(request: S3Request) -> S3Error | None:
    """Refuses requests whose time differs from this process's clock by more than 15 minutes."""
    sent = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs(datetime.now(UTC) - sent) <= _MAX_SKEW:
        return None
    message = "The difference between the request time and the current time is too large."
    return S3Error(403, "RequestTimeTooSkewed", message, {"MaxAllowedSkewMilliseconds": "900000"})


class S3Proxy:
    """Passes requests on to the S3 server as they are, so that signatures stay valid for its own address."""

    def __init__(self, server_port: int) -> None:
        self.refuse: Refuse = nothing
        self.requests: list[S3Request] = []
        self.cut_after_bytes: int | None = None
        """Of the next object: the connection ends there, when `cut` is set."""
        self.cut = threading.Event()
        self._server_port = server_port
        proxy = self

        class Handler(_Handler):
            def answer(self, body: bytes) -> None:
                proxy._answer(self, body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="s3-proxy")
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: "_Handler", body: bytes) -> None:
        parts = urlsplit(handler.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        request = S3Request(handler.command, parts.path, query, handler.headers)
        self.requests.append(request)
        if error := self.refuse(request):
            handler.send(error.status, {"Content-Type": "application/xml"}, error.body())
            return
        upstream = http.client.HTTPConnection("127.0.0.1", self._server_port, timeout=60)
        try:
            upstream.request(handler.command, handler.path, body, dict(handler.headers.items()))
            response = upstream.getresponse()
            content = response.read()
            cut_bytes = self.cut_after_bytes if handler.command == "GET" else None
            if cut_bytes is not None:
                self.cut_after_bytes = None
            length = response.headers.get("Content-Length", str(len(content)))
            handler.send(response.status, dict(response.headers.items()), content[:cut_bytes], length)
            if cut_bytes is not None:
                self.cut.wait(60)
                handler.close_connection = True
        finally:
            upstream.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body: bytes) -> None:
        raise NotImplementedError

    def do_GET(self) -> None:
        self.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def send(self, status: int, headers: Mapping[str, str], content: bytes, length: str | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _OF_A_CONNECTION:
                self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""
