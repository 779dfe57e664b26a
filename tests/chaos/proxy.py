"""A TCP proxy that misbehaves on demand: the network between a process and the server that it uses."""

import asyncio
import random
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

T = TypeVar("T")

Direction = Literal["to_server", "to_client"]
RequestFault = Literal["error", "slow", "cut"]

_PIECE_BYTES = 64 * 1024
_METHODS = (b"GET ", b"PUT ", b"POST ", b"HEAD ", b"DELETE ")
_SLOW_S = 1.0
_TICK_S = 0.2
# What S3 says when it has a bad day.
_ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class _Lane:
    """One direction: what happens to the bytes that go there."""

    delay_s: float = 0.0
    bytes_per_s: float = float("inf")
    open: asyncio.Event = field(default_factory=asyncio.Event)


class ProxyNetwork:
    """The event loop, in a thread of its own, that all proxies live on."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def proxy(self, port: int) -> "Proxy":
        """Makes a proxy in front of a server on this machine."""
        return self.run(Proxy.open(self, port))

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def close(self) -> None:
        """Ends all connections."""
        self.run(self._cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Proxy:
    """Listens on `port` of loopback and passes bytes on, as long as nothing is wrong. Its methods block shortly."""

    def __init__(self, network: ProxyNetwork, server_port: int) -> None:
        self.port = 0
        self._network = network
        self._server_port = server_port
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._lanes: dict[Direction, _Lane] = {"to_server": _Lane(), "to_client": _Lane()}
        self._request_faults: tuple[RequestFault, ...] = ()
        self._probability = 0.0
        self._random = random.Random(server_port)
        self._until_event: tuple[int, Callable[[], object]] | None = None
        self.faults = 0
        """How many requests were answered with a fault."""

    @classmethod
    async def open(cls, network: ProxyNetwork, server_port: int) -> "Proxy":
        proxy = cls(network, server_port)
        proxy._heal()
        await proxy._listen()
        return proxy

    # -- What goes wrong --------------------------------------------------------------------------

    def cut(self) -> None:
        """Resets all connections; new ones are taken."""
        self._network.run(self._cut())

    def refuse(self) -> None:
        """Resets all connections and refuses new ones, until `heal`."""
        self._network.run(self._refuse())

    def black_hole(self, *directions: Direction) -> None:
        """Passes nothing on, in these directions or in both, until `heal`; connections stay, and new ones are taken."""
        self._network.run(self._black_hole(directions or ("to_server", "to_client")))

    def delay(self, seconds: float, direction: Direction = "to_server") -> None:
        """Holds each piece for that long before it is passed on."""
        self._lanes[direction].delay_s = seconds

    def throttle(self, bytes_per_s: float, direction: Direction = "to_server") -> None:
        """Passes on no more than so many bytes per second and connection."""
        self._lanes[direction].bytes_per_s = bytes_per_s

    def after_bytes(self, size_bytes: int, happen: Callable[[], object]) -> None:
        """Calls `happen`, once, when so many more bytes have gone to the server; those behind them wait for it."""
        self._until_event = (size_bytes, happen)

    def fail_requests(self, probability: float, *faults: RequestFault) -> None:
        """Answers some HTTP requests with status 500, a second late, or with the connection's end in the middle."""
        self._probability, self._request_faults = probability, faults

    def heal(self) -> None:
        """Ends all that goes wrong."""
        self._network.run(self._heal_and_listen())

    # -- On the event loop ------------------------------------------------------------------------

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._cut()

    async def _black_hole(self, directions: tuple[Direction, ...]) -> None:
        for direction in directions:
            self._lanes[direction].open.clear()

    def _heal(self) -> None:
        self._probability = 0.0
        for lane in self._lanes.values():
            lane.delay_s, lane.bytes_per_s = 0.0, float("inf")
            lane.open.set()

    async def _heal_and_listen(self) -> None:
        self._heal()
        if self._listener is None:
            await self._listen()

    async def _serve(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        self._writers.add(client_writer)
        try:
            with suppress(OSError):
                server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
                self._writers.add(server_writer)
                try:
                    await asyncio.gather(
                        self._pass_requests(client_reader, server_writer, client_writer),
                        self._pass(server_reader, client_writer, self._lanes["to_client"]),
                    )
                finally:
                    self._end(server_writer)
        except asyncio.CancelledError:
            # At the network's end; asyncio would complain of a connection that was cancelled.
            return
        finally:
            self._end(client_writer)

    def _end(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lane: _Lane) -> None:
        while piece := await reader.read(_PIECE_BYTES):
            await self._deliver(piece, writer, lane)
        if writer.can_write_eof():
            writer.write_eof()

    async def _pass_requests(
        self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        while piece := await reader.read(_PIECE_BYTES):
            fault = self._fault_of(piece)
            if fault == "slow":
                await asyncio.sleep(_SLOW_S)
            elif fault == "cut":
                # The server gets the head of a request that never ends.
                await self._deliver(piece[: len(piece) // 2], server, self._lanes["to_server"])
                client.transport.abort()
                server.transport.abort()
                return
            elif fault == "error":
                client.write(_ERROR)
                client.close()
                server.transport.abort()
                return
            await self._deliver(piece, server, self._lanes["to_server"])
        if server.can_write_eof():
            server.write_eof()

    def _fault_of(self, piece: bytes) -> RequestFault | None:
        if not self._probability or not piece.startswith(_METHODS) or self._random.random() >= self._probability:
            return None
        self.faults += 1
        return self._random.choice(self._request_faults)

    async def _deliver(self, piece: bytes, writer: asyncio.StreamWriter, lane: _Lane) -> None:
        await asyncio.sleep(lane.delay_s)
        while piece:
            # Bit by bit, as from a slow line: a long silence would be another fault.
            size = int(min(len(piece), max(1.0, lane.bytes_per_s * _TICK_S)))
            await asyncio.sleep(size / lane.bytes_per_s)
            await lane.open.wait()
            if lane is self._lanes["to_server"]:
                size = self._bytes_until_event(size)
            writer.write(piece[:size])
            await writer.drain()
            piece = piece[size:]
            if self._until_event is not None and self._until_event[0] == 0:
                happen, self._until_event = self._until_event[1], None
                await asyncio.to_thread(happen)

    def _bytes_until_event(self, size: int) -> int:
        """Counts bytes that go to the server; returns how many of them may, before something happens."""
        if self._until_event is None:
            return size
        left, happen = self._until_event
        size = min(size, left)
        self._until_event = (left - size, happen)
        return size
