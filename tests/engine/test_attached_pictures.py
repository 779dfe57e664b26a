"""Pictures in ID3v2 tags of every version, and in FLAC files, found without libavformat."""

import random
import struct

import pytest

from video2mp3.engine.containers.attached_pictures import attached_pictures

DATA = b"\xff\xd8\xff\x00" + bytes(range(256))
UNSYNCHRONISED = DATA.replace(b"\xff", b"\xff\x00")
APIC = b"\0image/x\0\x03title\0"
APIC_UTF_16 = b"\1image/x\0\x03\xff\xfet\0\0\0"
APIC_UTF_16_ZEROS = b"\1image/x\0\x03" + "A\u4e00".encode("utf-16") + b"\0\0"


def tag(version: int, flags: int, frames: bytes) -> bytes:
    return b"ID3" + bytes((version, 0, flags)) + syncsafe(len(frames)) + frames


def syncsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def frame(content: bytes, flags: int = 0, size: bytes | None = None) -> bytes:
    return b"APIC" + (size or struct.pack(">I", len(content))) + bytes((0, flags)) + content


def frame_2_4(content: bytes, flags: int = 0) -> bytes:
    return frame(content, flags, syncsafe(len(content)))


TEXT = b"TIT2\0\0\0\x02\0\0\0x"
FLAC_PICTURE = struct.pack(">II7sI5sIIIII", 3, 7, b"image/x", 5, b"title", 0, 0, 0, 0, len(DATA)) + DATA
FLAC = b"fLaC" + b"\0\0\0\x22" + bytes(34) + b"\x86" + len(FLAC_PICTURE).to_bytes(3, "big") + FLAC_PICTURE


@pytest.mark.parametrize(
    "file",
    [
        tag(2, 0, b"TT2\0\0\x02\0x" + b"PIC" + (len(DATA) + 11).to_bytes(3, "big") + b"\0JPG\x03title\0" + DATA),
        tag(3, 0, TEXT + frame(APIC + DATA)),
        tag(3, 0, TEXT + frame(APIC_UTF_16 + DATA)),
        tag(3, 0, TEXT + frame(APIC_UTF_16_ZEROS + DATA)),
        tag(3, 0x80, frame(APIC + DATA).replace(b"\xff", b"\xff\x00")),
        tag(3, 0x40, struct.pack(">IHI", 6, 0, 0) + frame(APIC + DATA)),
        tag(4, 0, frame_2_4(APIC + DATA) + bytes(500)),
        tag(4, 0x40, syncsafe(6) + b"\1\0" + frame_2_4(APIC + DATA)),
        tag(4, 0x80, frame_2_4(syncsafe(len(APIC + DATA)) + APIC + UNSYNCHRONISED, flags=0x03)),
        FLAC,
        tag(4, 0, TEXT) + FLAC,
    ],
)
def test_the_picture_is_found(file: bytes) -> None:
    assert attached_pictures(lambda offset, size: file[offset : offset + size]) == [(3, DATA)]


def test_garbage_has_no_pictures() -> None:
    chance = random.Random(1)
    for start in (b"ID3\2\0\0", b"ID3\3\0\x40", b"ID3\4\0\xc0", b"fLaC", b""):
        for _ in range(200):
            parts = chance.choices((b"APIC", b"PIC", b"\x06", b"\0\0\0\x20", chance.randbytes(20)), k=20)
            file = start + b"\0\0\x7f\x7f" + b"".join(parts)
            attached_pictures(lambda offset, size, file=file: file[offset : offset + size])  # type: ignore[misc]
