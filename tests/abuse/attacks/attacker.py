"""One account that abuses the service: a client of raw sockets, so that it costs little beside what it asks for."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_REFUSED_PAUSE_S = 1.0
_END_PAUSE_S = 0.1


@dataclass(frozen=True)
class Answer:
    """A response that was read whole."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class Connection:
    """One connection that is kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
        self.reader = reader
        self._writer = writer
        self._token = token

    def send(self, method: str, path: str, body: bytes | None = b"", headers: Mapping[str, str] | None = None) -> None:
        """Sends a request; `body=None`: the caller names its length in the headers and sends it."""
        fields = {"Host": "127.0.0.1", "Authorization": f"Bearer {self._token}"} | dict(headers or {})
        if body is not None:
            fields.setdefault("Content-Length", str(len(body)))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + (body or b""))

    def write(self, data: bytes) -> None:
        """Sends more of a body."""
        self._writer.write(data)

    async def answer(self) -> Answer:
        """Reads a response that has a Content-Length, or no body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *fields = head.split("\r\n")
        headers = dict(field.lower().split(": ", 1) for field in fields if field)
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(status.split()[1]), body)

    async def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Sends a request and reads its response."""
        self.send(method, path, body, headers)
        return await self.answer()

    def close(self) -> None:
        """Drops the connection."""
        self._writer.transport.abort()


@dataclass(frozen=True)
class Attacker:
    """An account that is signed in, and what it attacks with."""

    port: int
    """Of the service, on loopback."""
    token: str
    receiver_port: int
    """Where the attacker may listen: the service lets users' URLs lead there."""
    media: Path
    """A folder with `short.mp4`, `long.mp4` and `longest.mp3`."""
    size: float
    """1: the whole attack; less: that share of its connections, bytes and conversions."""

    def count(self, whole: int) -> int:
        """Returns the share of a number of connections, bytes or conversions."""
        return max(1, int(whole * self.size))

    async def connect(self, receive_buffer_bytes: int | None = None) -> Connection:
        """Opens a connection; a small buffer makes the service notice that nobody reads."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=receive_buffer_bytes or 2**20)
        return Connection(reader, writer, self.token)

    async def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Asks on a connection of its own."""
        connection = await self.connect()
        try:
            return await connection.ask(method, path, body, headers)
        finally:
            connection.close()

    async def post(self, path: str, message: object) -> Any:
        """Posts JSON; returns the JSON that comes back, and fails where it is refused."""
        answer = await self.ask("POST", path, json.dumps(message).encode(), {"Content-Type": "application/json"})
        assert answer.status < 300, answer.body
        return answer.json()

    async def upload(self, name: str) -> str:
        """Uploads a file of the folder; returns the upload's id."""
        answer = await self.ask("POST", f"/v1/uploads?name={name}", (self.media / name).read_bytes())
        assert answer.status == 201, answer.body
        return str(answer.json()["id"])

    async def begin_upload(self, size_bytes: int, first: bytes = b"") -> str:
        """Begins an upload that can be resumed, with its first bytes; returns its id."""
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(size_bytes)}
        headers |= {"Content-Type": "application/offset+octet-stream"} if first else {}
        connection = await self.connect()
        connection.send("POST", "/v1/uploads", first, headers)
        head = (await connection.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        connection.close()
        assert " 201 " in head, head
        return head.partition("location: ")[2].partition("\r\n")[0].rpartition("/")[2]

    async def long_mp3(self) -> str:
        """Makes an MP3 of hours, by copying its frames; returns the conversion's id."""
        upload_id = await self.upload("longest.mp3")
        order = {"upload_id": upload_id, "options": {"copy": True}, "email_notifications": False}
        conversion_id = (await self.post("/v1/conversions", order))["id"]
        while True:
            job = (await self.ask("GET", f"/v1/conversions/{conversion_id}")).json()
            if job["state"] == "finished":
                return str(conversion_id)
            assert job["state"] in ("waiting", "queued", "processing"), job
            await asyncio.sleep(0.2)

    async def many(self, number: int, attack: Callable[[int], Awaitable[None]]) -> None:
        """Calls an attack again and again, that many at once: after a refusal or a cut connection, too."""

        async def again(place: int) -> None:
            while True:
                with suppress(OSError, EOFError, asyncio.LimitOverrunError):
                    await attack(place)
                await asyncio.sleep(_END_PAUSE_S)

        await asyncio.gather(*(again(place) for place in range(number)))


async def pause_if_refused(answer: Answer) -> None:
    """Waits a moment where the service has refused: an attacker does not keep to Retry-After, nor waste its time."""
    if answer.status >= 400:
        await asyncio.sleep(_REFUSED_PAUSE_S)
