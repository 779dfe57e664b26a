import pytest

from tests.options import resolved
from video2mp3.jobs.results import media_type, result_name, segment_names

SPLIT = resolved(split="chapters")


def test_a_result_is_named_after_its_source() -> None:
    names = ("a.b.mp4", "talk", ".mp4", "upload")
    assert [result_name(name, resolved()) for name in names] == ["a.b.mp3", "talk.mp3", ".mp4.mp3", "upload.mp3"]
    assert result_name("talk.mp4", SPLIT) == "talk.zip"


def test_the_options_tell_beforehand_what_a_result_will_be() -> None:
    """It should be a ZIP exactly where several MP3s are asked for."""
    assert {media_type(resolved(**options)) for options in ({}, {"track": 2}, {"track": "de"})} == {"audio/mpeg"}
    several = (SPLIT, resolved(split=60.0), resolved(track="all"))
    assert {media_type(options) for options in several} == {"application/zip"}


@pytest.mark.parametrize(
    ("source", "first"),
    [
        ("talk.mp4", "talk-01.mp3"),
        ("東京 talk.mp4", "東京 talk-01.mp3"),
        ('a<b>c:d"e|f?g*h.mp4', "a_b_c_d_e_f_g_h-01.mp3"),
        ("back\\slash\x07.mp4", "back_slash_-01.mp3"),
        ("aux.x.mp4", "_aux.x-01.mp3"),
        (" .mp4", "audio-01.mp3"),
        ("ö" * 250 + ".mp4", "ö" * 100 + "-01.mp3"),
    ],
)
def test_parts_have_names_that_every_system_can_write(source: str, first: str) -> None:
    assert segment_names(source, SPLIT, [1]) == [first]
