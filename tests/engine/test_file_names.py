import os

import pytest

from video2mp3.engine.file_names import fitted


@pytest.mark.parametrize(
    ("stem", "max_bytes", "cut"),
    [
        ("x" * 251, 255, "x" * 251),
        ("x" * 252, 255, "x" * 251),
        ("ж" * 200, 255, "ж" * 125),
        ("語" * 200, 255, "語" * 83),
        ("talk. . of", 12, "talk"),
        ("me\u0301re", 7, "m"),
        ("ab👨\u200d👩\u200d👧", 17, "ab"),
        ("a👍🏽", 10, "a"),
        ("a🇩🇪🇫🇷", 18, "a🇩🇪"),
        ("한글".encode().decode() + "\u1100\u1161\u11a8", 16, "한글"),
        ("क्षि" * 40, 40, "क्षि" * 3),
        (os.fsdecode(b"caf\xe9" * 100), 13, os.fsdecode(b"caf\xe9" * 2 + b"c")),
        ("e" + "\u0301" * 300, 255, "e" + "\u0301" * 125),
    ],
)
def test_a_name_is_cut_between_characters_that_a_reader_sees(stem: str, max_bytes: int, cut: str) -> None:
    name = fitted(stem, ".mp3", max_bytes)
    assert name == cut + ".mp3"
    assert len(os.fsencode(name)) <= max_bytes
