"""What ffmpeg writes converts at its length, whatever the encoder and container. `make formats` tries 500, this 22."""

from pathlib import Path

import pytest

from tests.engine.format_pairs import check, write
from tests.servers import require_program

PAIRS = (
    ("pcm_s16le", "mxf"),
    ("pcm_s16le", "gxf"),
    ("pcm_s16le", "dv"),
    ("mp2", "wtv"),
    ("ac3", "rm"),
    ("real_144", "rm"),
    ("wavpack", "wv"),
    ("tta", "tta"),
    ("mlp", "mlp"),
    ("truehd", "truehd"),
    ("aac", "latm"),
    ("pcm_mulaw", "au"),
    ("pcm_u8", "voc"),
    ("pcm_s16le", "w64"),
    ("pcm_s32le", "sox"),
    ("pcm_alaw", "ircam"),
    ("adpcm_ms", "nut"),
    ("ac3", "spdif"),
    ("g723_1", "wav"),
    ("g726", "wav"),
    ("adpcm_ima_qt", "caf"),
    ("nellymoser", "flv"),
)


@pytest.mark.parametrize(("encoder", "container"), PAIRS)
def test_a_file_converts_at_its_length(encoder: str, container: str, tmp_path: Path) -> None:
    ffmpeg = require_program("ffmpeg")
    assert write(ffmpeg, encoder, container, tmp_path / "sound")
    assert check(ffmpeg, tmp_path / "sound") == ("converted", True)


def test_a_game_format_is_refused_by_its_name(tmp_path: Path) -> None:
    ffmpeg = require_program("ffmpeg")
    assert write(ffmpeg, "libmp3lame", "swf", tmp_path / "sound")
    said, is_right = check(ffmpeg, tmp_path / "sound")
    assert is_right
    assert said.startswith("This is an SWF file, which is not converted.")
