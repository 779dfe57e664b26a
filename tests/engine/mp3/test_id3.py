import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutagen.id3 import ID3

from video2mp3.engine.mp3.id3 import clean_text, id3_tag


def read_back(tag: bytes) -> dict[str, str]:
    found: Any = ID3(io.BytesIO(tag))  # type: ignore[no-untyped-call]
    return {key: str(frame) for key, frame in found.items()}


def test_another_reader_finds_the_texts() -> None:
    assert read_back(id3_tag({"TIT2": "Über 東京 🎧", "TSSE": "x"})) == {"TIT2": "Über 東京 🎧", "TSSE": "x"}


def test_no_text_makes_no_tag() -> None:
    assert id3_tag({"TIT2": " \0\n"}) == b""


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("two\r\nlines", "two lines"),
        ("nul\0inside", "nul inside"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("right\u202eto left", "right to left"),
        ("x" * 5000, "x" * 300),
    ],
)
def test_text_of_strangers_is_one_bounded_line(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


@given(st.text(max_size=2000))
def test_any_text_can_be_written_and_read_back(text: str) -> None:
    tag = id3_tag({"TIT2": text, "TSSE": "x"})
    found = read_back(tag)
    assert found.get("TIT2", "") == clean_text(text).encode("utf-8", "replace").decode()
    assert b"\xff\xfb" not in tag
