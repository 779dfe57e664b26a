"""More conversions than the service has slots: by PUT, in batches, and from sources that come drop by drop."""

import asyncio
import json
from collections.abc import AsyncIterator

from tests.abuse.attacks.attacker import Attacker, pause_if_refused

_JSON = {"Content-Type": "application/json"}


async def puts(attacker: Attacker) -> AsyncIterator[None]:
    """Thirty PUTs at once of a video of ten minutes, each again when it is answered."""
    video = (attacker.media / "long.mp4").read_bytes()
    yield

    async def put(_: int) -> None:
        await pause_if_refused(await attacker.ask("PUT", "/v1/mp3", video))

    await attacker.many(30, put)


async def batches(attacker: Attacker) -> AsyncIterator[None]:
    """Batches of a hundred videos of ten minutes, four at once; where no more are taken, the last is canceled."""
    upload_id = await attacker.upload("long.mp4")
    order = json.dumps({"items": [{"upload_id": upload_id}] * attacker.count(100)}).encode()
    yield

    async def submit(_: int) -> None:
        answer = await attacker.ask("POST", "/v1/batches", order, _JSON)
        if answer.status != 202:
            newest = (await attacker.ask("GET", "/v1/batches?limit=20")).json()["items"]
            running = [batch["id"] for batch in newest if batch["counts"].get("queued")]
            if running:
                await attacker.ask("DELETE", f"/v1/batches/{running[0]}")

    await attacker.many(4, submit)


async def dripping_sources(attacker: Attacker) -> AsyncIterator[None]:
    """Twenty conversions from a server that sends one byte a second."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(1)

    async with await asyncio.start_server(drip, "127.0.0.1", attacker.receiver_port):
        for number in range(20):
            url = f"http://127.0.0.1:{attacker.receiver_port}/{number}.mp4"
            await attacker.post("/v1/conversions", {"source": {"url": url}, "email_notifications": False})
        yield
        await asyncio.Event().wait()
