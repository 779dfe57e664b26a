"""The first bytes of media files, good and bad: for the inspection that is done outside the sandbox."""

import random
import struct
from collections.abc import Callable

Generator = Callable[[random.Random], bytes]

_EDGE_SIZES = (0, 1, 7, 8, 9, 15, 16, 17, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1)
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"mvhd", b"trak", b"tref", b"chap", b"mvex", b"cmov", b"wide", b"styp")
_ELEMENTS = (0x18538067, 0x114D9B74, 0x1549A966, 0x1F43B675, 0x1C53BB6B, 0x4DBB, 0x53AB, 0x53AC, 0x2AD7B1, 0x4489, 0xEC)
_CHUNKS = (b"fmt ", b"data", b"LIST", b"JUNK", b"id3 ")


def box(kind: bytes, body: bytes = b"", size: int | None = None) -> bytes:
    """A box that claims `size`, by default its own."""
    size = 8 + len(body) if size is None else size
    if size < 2**32:
        return struct.pack(">I4s", size, kind) + body
    return struct.pack(">I4sQ", 1, kind, size % 2**64) + body


def element(kind: int, body: bytes = b"", size: int | None = None, width: int = 0) -> bytes:
    """An element that claims `size`, by default its own; `width` is of the size's field."""
    size = len(body) if size is None else size
    width = width or max(1, -(-(size + 1).bit_length() // 7))
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + _number(size, min(width, 8)) + body


def _number(value: int, width: int) -> bytes:
    return (1 << 7 * width | value % (1 << 7 * width)).to_bytes(width, "big")


def chunk(kind: bytes, body: bytes = b"", size: int | None = None) -> bytes:
    """A RIFF chunk."""
    return kind + struct.pack("<I", (len(body) if size is None else size) % 2**32) + body


def mp4() -> bytes:
    """A head as ffmpeg writes it with +faststart."""
    mvhd = box(b"mvhd", bytes(12) + struct.pack(">II", 1000, 90_000) + bytes(80))
    track = box(b"trak", box(b"tkhd", bytes(84)) + box(b"tref", box(b"chap", bytes(4))) + box(b"mdia", bytes(300)))
    moov = box(b"moov", mvhd + track + box(b"udta", bytes(50)))
    return box(b"ftyp", b"isom" + bytes(12)) + moov + box(b"free") + box(b"mdat", bytes(500), 10**9)


def matroska() -> bytes:
    """A head as ffmpeg writes it."""
    seeks = b"".join(
        element(0x4DBB, element(0x53AB, kind.to_bytes(4, "big")) + element(0x53AC, place.to_bytes(4, "big")))
        for kind, place in ((0x1549A966, 200), (0x1654AE6B, 300), (0x1C53BB6B, 10**8))
    )
    info = element(0x2AD7B1, (10**6).to_bytes(3, "big")) + element(0x4489, struct.pack(">d", 90_000.0))
    inner = element(0x114D9B74, seeks) + element(0xEC, bytes(60)) + element(0x1549A966, info)
    inner += element(0x1654AE6B, bytes(200)) + element(0x1F43B675, bytes(500), 10**6)
    return element(0x1A45DFA3, bytes(31)) + element(0x18538067, inner, 10**9, 8)


def wav() -> bytes:
    """A head as Python writes it, with tags in front."""
    form = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 2, 48_000, 192_000, 4, 16))
    return b"RIFF\xff\xff\xff\x7fWAVE" + form + chunk(b"LIST", bytes(40)) + chunk(b"data", bytes(500), 10**8)


VALID = (mp4(), matroska(), wav())


def mutated(generator: random.Random) -> bytes:
    """A valid head with some of its bytes changed, cut out or doubled."""
    head = bytearray(generator.choice(VALID))
    for _ in range(generator.choice((1, 1, 2, 4, 16))):
        place = generator.randrange(len(head))
        match generator.randrange(4):
            case 0:
                head[place] = generator.choice((0, 1, 0x7F, 0x80, 0xFF, generator.randrange(256)))
            case 1:
                del head[place : place + generator.randrange(1, 20)]
            case 2:
                head[place:place] = head[place : place + generator.randrange(1, 40)]
            case _:
                size = generator.choice((4, 8))
                head[place : place + size] = (generator.choice(_EDGE_SIZES) % 2 ** (8 * size)).to_bytes(size, "big")
        head = head or bytearray(1)
    return bytes(head)


def boxes(generator: random.Random) -> bytes:
    """Boxes of random kinds and sizes in each other."""
    return box(generator.choice(_BOXES[:4])) + _many(generator, _random_box, 3)


def _random_box(generator: random.Random, depth: int) -> bytes:
    size = generator.choice(_EDGE_SIZES) if generator.random() < 0.15 else None
    return box(generator.choice(_BOXES), _body(generator, _random_box, depth), size)


def elements(generator: random.Random) -> bytes:
    """Elements of random kinds and sizes in each other, below a good start or none."""
    start = element(0x1A45DFA3, generator.randbytes(generator.randrange(40)))
    if generator.random() < 0.8:
        start += element(0x18538067, b"", generator.choice((10**6, 2**56 - 1, 100)), 8)
    return start + _many(generator, _random_element, 3)


def _random_element(generator: random.Random, depth: int) -> bytes:
    size = generator.choice(_EDGE_SIZES) if generator.random() < 0.15 else None
    body = _body(generator, _random_element, depth)
    return element(generator.choice(_ELEMENTS), body, size, generator.choice((0, 0, 1, 4, 8)))


def chunks(generator: random.Random) -> bytes:
    """RIFF chunks of random kinds and sizes."""
    return b"RIFF" + generator.randbytes(4) + b"WAVE" + _many(generator, _random_chunk, 1)


def _random_chunk(generator: random.Random, depth: int) -> bytes:
    size = generator.choice(_EDGE_SIZES) if generator.random() < 0.15 else None
    return chunk(generator.choice(_CHUNKS), _body(generator, _random_chunk, depth), size)


def _many(generator: random.Random, make: Callable[[random.Random, int], bytes], depth: int) -> bytes:
    return b"".join(make(generator, depth) for _ in range(generator.choice((1, 2, 3, 5))))


def _body(generator: random.Random, make: Callable[[random.Random, int], bytes], depth: int) -> bytes:
    if depth and generator.random() < 0.5:
        return _many(generator, make, depth - 1)
    return generator.randbytes(generator.choice((0, 0, 1, 2, 4, 8, 9, 32, 200)))


def repeated(generator: random.Random) -> bytes:
    """256 KiB of one small thing again and again, at the top or inside: what takes the most steps."""
    small: dict[int, tuple[bytes, ...]] = {
        0: (box(b"free"), box(b"moov"), box(b"trak"), box(b"tref", box(b"free")), box(b"moov", box(b"mvhd"))),
        1: (element(0xEC), element(0x4DBB), element(0x114D9B74), element(0x4DBB, element(0x53AC, b"\1"))),
        2: (chunk(b"JUNK"), chunk(b"fmt ", bytes(16))),
    }
    kind = generator.randrange(3)
    filler = generator.choice(small[kind]) * (2**18 // 8)
    tail = filler[: 2**18 - 64]
    if kind == 0:
        outer = generator.choice(((), (b"moov",), (b"moov", b"trak"), (b"moov", b"trak", b"tref")))
        for name in reversed(outer):
            tail = box(name, tail)
        return box(b"ftyp") + tail
    if kind == 1:
        tail = element(generator.choice((0x114D9B74, 0x1549A966)), tail) if generator.random() < 0.5 else tail
        return element(0x1A45DFA3) + element(0x18538067, tail, 2**40, 8)
    return b"RIFF\xff\xff\xff\x7fWAVE" + tail


GENERATORS: tuple[Generator, ...] = (mutated, mutated, boxes, elements, chunks)
"""The cheap ones; `repeated` is the slowest to inspect."""
REPEATED_SHARE = 0.02


def head(generator: random.Random) -> bytes:
    """Any of these heads, as long as it is or filled up to 256 KiB."""
    if generator.random() < REPEATED_SHARE:
        return repeated(generator)
    return generator.choice(GENERATORS)(generator)


def more_bytes(generator: random.Random) -> int:
    """How many bytes an upload may have declared beyond its head."""
    return generator.choice((0, 1, 5000, 10**6, 10**9, 2**40))
