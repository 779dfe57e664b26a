"""Requests that let the service compute: waveforms and probes."""

import asyncio
import json
from collections.abc import AsyncIterator

from tests.abuse.attacks.attacker import Attacker, pause_if_refused


async def waveforms(attacker: Attacker) -> AsyncIterator[None]:
    """Sixty requests at once for the waveform of an MP3 of six hours, each again when it is answered."""
    conversion_id = await attacker.long_mp3()
    yield

    async def ask(_: int) -> None:
        await attacker.ask("GET", f"/v1/conversions/{conversion_id}/waveform")
        await asyncio.sleep(1)

    await attacker.many(60, ask)


async def probes(attacker: Attacker) -> AsyncIterator[None]:
    """Sixty probes at once of an MP3 of six hours, each again when it is answered."""
    upload_id = await attacker.upload("longest.mp3")
    order = json.dumps({"upload_id": upload_id}).encode()
    yield

    async def ask(_: int) -> None:
        await pause_if_refused(await attacker.ask("POST", "/v1/probe", order, {"Content-Type": "application/json"}))

    await attacker.many(60, ask)
