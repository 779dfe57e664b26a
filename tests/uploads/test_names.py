import pytest
from hypothesis import given
from hypothesis import strategies as st

from video2mp3.uploads import clean_name


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("talk.mp4", "talk.mp4"),
        ("../../x\r\ny.mp4", "xy.mp4"),
        ("C:\\fakepath\\Größe 東京.mov", "Größe 東京.mov"),
        ("/etc/passwd", "passwd"),
        ("..", "upload"),
        ("", "upload"),
        ("  \t ", "upload"),
        ("a\x00b\x1b[31m.mp4", "ab[31m.mp4"),
        ("cod\u202egpm.exe", "codgpm.exe"),
        ("half \ud800.mp4", "half .mp4"),
        (".hidden", ".hidden"),
    ],
)
def test_a_name_keeps_its_text_and_loses_the_rest(name: str, clean: str) -> None:
    assert clean_name(name) == clean


def test_a_long_name_keeps_its_extension() -> None:
    name = clean_name("x" * 500 + ".mp4")
    assert len(name) == 255
    assert name.endswith("x.mp4")


@given(st.text(max_size=400))
def test_any_name_becomes_harmless(name: str) -> None:
    clean = clean_name(name)
    assert 1 <= len(clean) <= 255
    assert not set(clean) & set("/\\\r\n\0")
    clean.encode()
    assert clean_name(clean) == clean
