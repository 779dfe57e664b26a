import random

import pytest

from video2mp3.engine.mp3.crc16 import Crc16, crc16


def by_definition(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def in_pieces(data: bytes, *ends: int) -> int:
    crc = Crc16()
    for start, end in zip((0, *ends), (*ends, len(data)), strict=True):
        crc.feed(data[start:end])
    return crc.value


def test_it_has_the_published_check_value() -> None:
    assert crc16(b"123456789") == in_pieces(b"123456789", 4) == 0xBB3D


@pytest.mark.parametrize("size", [*range(40), 255, 256, 1000, 4097])
def test_it_is_the_crc_by_definition(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert crc16(data) == in_pieces(data) == by_definition(data)


@pytest.mark.parametrize("size", [32766, 32767, 32768, 65534, 70_000, 150_000])
def test_it_can_be_taken_in_pieces_of_any_size(size: int) -> None:
    chance = random.Random(size)
    data = chance.randbytes(size)
    ends = sorted(chance.randrange(size) for _ in range(5))
    assert in_pieces(data, *ends) == in_pieces(data) == crc16(data) == by_definition(data)
