"""What encoders put behind the sound is cut off where the file says how much it is."""

import struct
from pathlib import Path

import pytest

from tests.engine.converting import converted, make
from tests.engine.sounds import tone, wav_with
from video2mp3.engine.containers.riff import fact_samples

RATE_HZ = 44_100
SAMPLES = 110_250


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("aac", "mp4"),
        ("libmp3lame", "mp4"),
        ("libvorbis", "mp4"),
        ("alac", "mp4"),
        ("pcm_s16le", "mov"),
    ],
)
def test_an_edit_list_cuts_off_padding(codec: str, suffix: str, tmp_path: Path) -> None:
    sound = f"sine=frequency=440:sample_rate={RATE_HZ}:duration={SAMPLES / RATE_HZ}"
    made = ["-f", "lavfi", "-i", sound, "-c:a", codec]
    if codec == "libvorbis":  # ffmpeg 9 fails to encode it into an MP4, but copies it there
        made = ["-i", str(make(tmp_path / "a.ogg", *made)), "-c", "copy"]
    source = make(tmp_path / f"a.{suffix}", *made)
    assert converted(source, tmp_path / "a.mp3").samples == SAMPLES


def ending_at(samples: int, source: Path) -> Path:
    """Writes where the only edit of an MP4 ends, whose movie has a tick for each sample.

    All packets get the same length, and the track that of all: newer versions of ffmpeg let them end with the sound.
    """
    data = bytearray(source.read_bytes())
    struct.pack_into(">I", data, data.index(b"elst") + 12, samples)
    (entries, _, length) = struct.unpack_from(">III", data, data.index(b"stts") + 8)
    times = [data.index(b"stts") + 12 + 8 * entry for entry in range(entries)]
    for time in times:
        struct.pack_into(">I", data, time + 4, length)
    packets = sum(struct.unpack_from(">I", data, time)[0] for time in times)
    struct.pack_into(">I", data, data.index(b"mdhd") + 20, packets * length)
    source.write_bytes(data)
    return source


@pytest.mark.parametrize(("codec", "suffix"), [("ac3", "mp4"), ("pcm_s16le", "mov")])
@pytest.mark.parametrize(("cut", "expected"), [(500, 500), (20, 0)])
def test_an_edit_list_may_end_within_the_last_packet(
    codec: str, suffix: str, cut: int, expected: int, tmp_path: Path
) -> None:
    """It should not cut off what is only rounded."""
    sound = f"sine=frequency=440:sample_rate={RATE_HZ}:duration=1"
    source = make(tmp_path / f"a.{suffix}", "-f", "lavfi", "-i", sound, "-c:a", codec, "-movie_timescale", str(RATE_HZ))
    whole = converted(ending_at(2 * RATE_HZ, source), tmp_path / "a.mp3").samples
    samples = converted(ending_at(whole - cut, source), tmp_path / "a.mp3").samples
    assert whole - samples == expected


@pytest.mark.parametrize("cut", [0, 1, 1000])
def test_the_fact_chunk_cuts_off_padding(cut: int, tmp_path: Path) -> None:
    source = make(tmp_path / "a.wav", "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "adpcm_ms")
    data = bytearray(source.read_bytes())
    place = data.index(b"fact") + 8
    (declared,) = struct.unpack_from("<I", data, place)
    struct.pack_into("<I", data, place, declared - cut)
    source.write_bytes(data)
    report = converted(source, tmp_path / "a.mp3")
    assert report.samples == declared - cut
    assert not report.warnings


@pytest.mark.parametrize("fact", [0, 1, 400, 2**32 - 1])
def test_a_fact_chunk_that_cannot_be_is_not_believed(fact: int, tmp_path: Path) -> None:
    data = wav_with(tone(8000), rate_hz=8000)
    place = data.index(b"data")
    chunk = b"fact" + struct.pack("<II", 4, fact)
    (tmp_path / "a.wav").write_bytes(data[:place] + chunk + data[place:])
    assert converted(tmp_path / "a.wav", tmp_path / "a.mp3").samples == 8000


def test_the_fact_chunk_is_found_before_the_samples() -> None:
    def fact_of(data: bytes) -> int | None:
        return fact_samples(lambda offset, size: data[offset : offset + size], len(data))

    riff = b"RIFF\0\0\0\0WAVE"
    fact = b"fact" + struct.pack("<II", 4, 77)
    assert fact_of(riff + b"junk\3\0\0\0abc\0" + fact + b"data\0\0\0\0") == 77
    assert fact_of(riff + b"data\0\0\0\0" + fact) is None
    assert fact_of(riff + b"fact\4\0\0\0\1") is None
    assert fact_of(riff) is None
