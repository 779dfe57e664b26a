"""Uploads whose first bytes cost the service more than their sender: crafted heads, sent in pieces of 16 bytes."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from tests.abuse.attacks.attacker import Attacker

_PIECE_BYTES = 16
_MIB = 1024**2
_FTYP = b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00"
_EMPTY_BOX = b"\x00\x00\x00\x08free"


def boxes(size_bytes: int) -> bytes:
    """An MP4 that is nothing but boxes of eight bytes."""
    return _FTYP + _EMPTY_BOX * (size_bytes // len(_EMPTY_BOX))


def giant_index(size_bytes: int) -> bytes:
    """An MP4 whose index says that it is that large, and is there; the sound is still to come."""
    return _FTYP + (size_bytes + 8).to_bytes(4, "big") + b"moov" + bytes(size_bytes)


def damaged_matroska(size_bytes: int) -> bytes:
    """A Matroska file whose list of places ends in the middle of one that is beyond its end."""
    seek = b"\x4d\xbb\x8f\x53\xab\x84\x1c\x53\xbb\x6b\x53\xac\x88"
    content = seek * (size_bytes // len(seek))
    ebml = b"\x1a\x45\xdf\xa3\x80"
    segment = b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"
    return ebml + segment + b"\x11\x4d\x9b\x74" + (len(content) | 1 << 28).to_bytes(4, "big") + content


async def crafted_uploads(attacker: Attacker) -> AsyncIterator[None]:
    """Twelve uploads of three kinds, each waited for by a conversion: so their heads are looked at with each piece."""
    heads = (
        boxes(attacker.count(8 * _MIB)),
        giant_index(attacker.count(60 * _MIB)),
        damaged_matroska(attacker.count(64 * 1024)),
    )
    begun: list[tuple[str, int]] = []
    for number in range(12):
        head = heads[number % len(heads)]
        upload_id = await attacker.begin_upload(1024 * _MIB, head[:4096])
        await attacker.post("/v1/conversions", {"upload_id": upload_id, "email_notifications": False})
        begun.append((upload_id, number % len(heads)))
    yield
    await asyncio.gather(*(_drip(attacker, upload_id, heads[kind]) for upload_id, kind in begun))


async def _drip(attacker: Attacker, upload_id: str, head: bytes) -> None:
    """Sends most of the head at once, and from then on 16 bytes with each request."""
    offset_bytes = 4096
    pieces = [head[4096:]]
    await attacker.many(1, partial(_append, attacker, upload_id, [offset_bytes], pieces))


async def _append(attacker: Attacker, upload_id: str, offset: list[int], pieces: list[bytes], _: int) -> None:
    connection = await attacker.connect()
    try:
        while True:
            piece = pieces[0] if pieces else _EMPTY_BOX * (_PIECE_BYTES // len(_EMPTY_BOX))
            headers = {
                "Tus-Resumable": "1.0.0",
                "Upload-Offset": str(offset[0]),
                "Content-Type": "application/offset+octet-stream",
            }
            answer = await connection.ask("PATCH", f"/v1/uploads/{upload_id}", piece, headers)
            if answer.status == 204:
                offset[0] += len(piece)
                pieces.clear()
            else:
                await asyncio.sleep(1)
    finally:
        connection.close()
