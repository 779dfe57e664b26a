import random

import pytest

from video2mp3.engine.mp3.crc16 import crc16


def by_definition(data: bytes, crc: int = 0) -> int:
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def test_it_has_the_published_check_value() -> None:
    assert crc16(b"123456789") == 0xBB3D


@pytest.mark.parametrize("size", [*range(40), 255, 256, 1000, 4097])
def test_it_is_the_crc_by_definition_whatever_came_before(size: int) -> None:
    chance = random.Random(size)
    data, before = chance.randbytes(size), chance.getrandbits(16)
    assert crc16(data, before) == by_definition(data, before)


def test_it_can_be_taken_in_pieces() -> None:
    data = random.Random(7).randbytes(10_000)
    assert crc16(data[5001:], crc16(data[:5001])) == crc16(data) == by_definition(data)
