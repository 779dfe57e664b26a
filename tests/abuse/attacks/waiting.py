"""Connections and deliveries on which the service waits."""

import asyncio
from collections.abc import AsyncIterator

from tests.abuse.attacks.attacker import Attacker, Connection

_MIB = 1024**2


async def silent_webhooks(attacker: Attacker) -> AsyncIterator[None]:
    """Twenty webhooks that never answer, and ten conversions that are canceled: two hundred deliveries."""

    async def say_nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3600)

    async with await asyncio.start_server(say_nothing, "127.0.0.1", attacker.receiver_port):
        for number in range(20):
            url = f"http://127.0.0.1:{attacker.receiver_port}/{number}"
            await attacker.post("/v1/webhooks", {"url": url})
        upload_id = await attacker.begin_upload(_MIB)
        for _ in range(10):
            job = await attacker.post("/v1/conversions", {"upload_id": upload_id})
            await attacker.ask("DELETE", f"/v1/conversions/{job['id']}")
        yield
        await asyncio.Event().wait()


async def event_streams(attacker: Attacker) -> AsyncIterator[None]:
    """Hundreds of streams of the events of a conversion that waits, each opened again when it ends."""
    upload_id = await attacker.begin_upload(_MIB)
    job = await attacker.post("/v1/conversions", {"upload_id": upload_id, "email_notifications": False})
    yield

    async def follow(_: int) -> None:
        connection = await attacker.connect()
        try:
            connection.send("GET", f"/v1/conversions/{job['id']}/events")
            while await connection.reader.read(4096):
                pass
        finally:
            connection.close()
        await asyncio.sleep(1)

    await attacker.many(attacker.count(500), follow)


async def slow_readers(attacker: Attacker) -> AsyncIterator[None]:
    """Two hundred downloads of an MP3 of hours and forty uploads, a few bytes of each a second."""
    conversion_id = await attacker.long_mp3()
    yield
    await asyncio.gather(
        attacker.many(attacker.count(200), lambda _: _read_slowly(attacker, conversion_id)),
        attacker.many(40, lambda _: _send_slowly(attacker)),
    )


async def _read_slowly(attacker: Attacker, conversion_id: str) -> None:
    connection = await attacker.connect(receive_buffer_bytes=2048)
    try:
        connection.send("GET", f"/v1/conversions/{conversion_id}/mp3")
        while True:
            await connection.reader.readexactly(4)
            await asyncio.sleep(1)
    finally:
        connection.close()


async def _send_slowly(attacker: Attacker) -> None:
    connection = await attacker.connect()
    try:
        connection.send("POST", "/v1/uploads", None, {"Content-Length": str(_MIB)})
        await _drip(connection)
    finally:
        connection.close()


async def _drip(connection: Connection) -> None:
    refused = asyncio.create_task(connection.answer())
    try:
        while not refused.done():
            connection.write(b"x")
            await asyncio.wait([refused], timeout=1)
    finally:
        refused.cancel()


async def one_byte_ranges(attacker: Attacker) -> AsyncIterator[None]:
    """Fifty connections that ask for one byte of an MP3 of hours, again and again."""
    conversion_id = await attacker.long_mp3()
    yield

    async def ask(place: int) -> None:
        connection = await attacker.connect()
        try:
            for number in range(10_000):
                at = (place * 10_000 + number) % 1_000_000
                headers = {"Range": f"bytes={at}-{at}"}
                answer = await connection.ask("GET", f"/v1/conversions/{conversion_id}/mp3", b"", headers)
                if answer.status != 206:
                    await asyncio.sleep(1)
        finally:
            connection.close()

    await attacker.many(50, ask)
