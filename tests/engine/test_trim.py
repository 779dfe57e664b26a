"""Trimming and fading, as independent decoders hear it."""

import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.converting import converted, loudness_of, make, values
from tests.engine.decoders import samples_decoded
from tests.engine.sounds import tone, write_wav
from tests.media import corpus_file
from video2mp3.engine.child.audio.fade import Fade
from video2mp3.engine.child.audio.trim import Trim
from video2mp3.errors import DamagedAudio, StartOutOfRange

RATE_HZ = 44100


def in_blocks(pcm: bytes, size: int) -> list[bytes]:
    return [pcm[place : place + size] for place in range(0, len(pcm), size)]


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(1, 700))
def test_a_trim_keeps_the_samples_between_its_ends(start: int, length: int, block: int) -> None:
    pcm = tone(2000, 2)
    trim = Trim(1000, 2, start / 1000, (start + length + 1) / 1000)
    kept = b"".join(trim.take(part) for part in in_blocks(pcm, 4 * block))
    assert kept == pcm[4 * start : 4 * (start + length + 1)]
    assert trim.samples == len(kept) // 4
    assert trim.ended == (start + length + 1 <= 2000)


@pytest.mark.parametrize(
    ("start_s", "end_s", "samples"),
    [(1, None, 88200), (None, 0.5, 22050), (0.1, 1.23456, 50034), (2.999, 100, 44), (1.5, 1.50001, 1)],
)
def test_a_trim_is_exact_to_the_sample(
    start_s: float | None, end_s: float | None, samples: int, tmp_path: Path
) -> None:
    source = write_wav(tmp_path / "a.wav", 3 * RATE_HZ, 2)
    report = converted(source, tmp_path / "a.mp3", start_s=start_s, end_s=end_s)
    assert report.samples == samples
    assert samples_decoded(tmp_path / "a.mp3", 2) == (samples, samples)


def test_a_trim_starts_at_the_very_sample(tmp_path: Path) -> None:
    """It should put a click that is at 1.5 s of the source at 0.5 s of what starts at 1 s, in AAC too."""
    click = "aevalsrc=if(eq(n\\,66150)\\,0.9\\,0):s=44100:d=3"
    source = make(tmp_path / "a.mp4", "-f", "lavfi", "-i", click, "-c:a", "aac", "-b:a", "320k")
    plain, trimmed = tmp_path / "plain.mp3", tmp_path / "trimmed.mp3"
    converted(source, plain, bitrate_kbps=320)
    converted(source, trimmed, bitrate_kbps=320, start_s=1, end_s=2)
    loudest = [max(range(len(found)), key=lambda n: abs(found[n])) for found in (values(plain), values(trimmed))]
    assert loudest[0] - loudest[1] == RATE_HZ
    assert abs(loudest[1] - 22050) <= 1


def test_a_start_beyond_the_end_is_said(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "a.wav", RATE_HZ)
    with pytest.raises(StartOutOfRange):
        converted(source, tmp_path / "a.mp3", start_s=1)
    assert converted(source, tmp_path / "a.mp3", start_s=0.9999).samples == 4


@given(st.integers(1, 900), st.integers(0, 500), st.integers(0, 500))
def test_a_fade_changes_only_the_ends(block: int, fade_in: int, fade_out: int) -> None:
    pcm = array.array("h", [10_000] * 2000)
    fade = Fade(1000, 2, fade_in / 1000, fade_out / 1000)
    parts = [fade.take(part) for part in in_blocks(pcm.tobytes(), 4 * block)]
    faded = array.array("h", b"".join([*parts, fade.finish()]))
    left = faded[::2]
    assert len(faded) == len(pcm)
    assert faded[1::2] == left
    assert set(left[fade_in : 1000 - fade_out]) <= {10_000}
    assert list(left[:fade_in]) == sorted(left[:fade_in])
    assert list(left[1000 - fade_out :]) == sorted(left[1000 - fade_out :], reverse=True)
    assert not fade_in or left[0] == 0
    assert not fade_out or left[-1] == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=8), st.integers(0, 700), st.integers(0, 700))
def test_a_fade_goes_on_during_what_is_left_out(runs: list[tuple[bool, int]], fade_in: int, fade_out: int) -> None:
    """It should change the rest as if what is left out were there."""
    whole, packed = Fade(1000, 1, fade_in / 1000, fade_out / 1000), Fade(1000, 1, fade_in / 1000, fade_out / 1000)
    parts, with_all, is_kept = [], [], []
    for is_left_out, samples in runs:
        pcm = array.array("h", [10_000] * samples).tobytes()
        with_all.append(whole.take(pcm))
        is_kept += [not is_left_out] * samples
        if is_left_out:
            packed.skip(samples)
        else:
            parts.append(packed.take(pcm))
    expected = array.array("h", b"".join([*with_all, whole.finish()]))
    found = array.array("h", b"".join([*parts, packed.finish()]))
    assert list(found) == [value for value, kept in zip(expected, is_kept, strict=True) if kept]


def test_a_longer_fade_than_sound_fades_all_of_it() -> None:
    fade = Fade(1000, 1, 1, 1)
    faded = array.array("h", fade.take(array.array("h", [10_000] * 100).tobytes()) + fade.finish())
    assert len(faded) == 100
    assert max(faded) < 1000


def test_fades_are_heard_in_the_mp3(tmp_path: Path) -> None:
    source = make(tmp_path / "a.wav", "-f", "lavfi", "-i", "sine=frequency=440:duration=4:sample_rate=44100")
    converted(source, tmp_path / "a.mp3", fade_in_s=1, fade_out_s=2, start_s=0.5)
    found = values(tmp_path / "a.mp3")
    assert len(found) == 3.5 * RATE_HZ
    whole = loudness_of(found[60_000:65_000])
    assert loudness_of(found[: RATE_HZ // 50]) < 0.03 * whole
    assert loudness_of(found[22050 - 500 : 22050 + 500]) == pytest.approx(whole / 2, rel=0.1)
    assert loudness_of(found[-RATE_HZ - 500 : -RATE_HZ + 500]) == pytest.approx(whole / 2, rel=0.1)
    assert loudness_of(found[-500:]) < 0.03 * whole


def test_damage_can_be_made_an_error(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "a.wav", RATE_HZ)
    data = source.read_bytes()
    source.write_bytes(data[:-1000])
    assert converted(source, tmp_path / "a.mp3").truncated
    with pytest.raises(DamagedAudio):
        converted(source, tmp_path / "a.mp3", fail_on_damage=True)
    assert not converted(source, tmp_path / "a.mp3", fail_on_damage=True, end_s=0.5).truncated
    source.write_bytes(data)
    assert converted(source, tmp_path / "a.mp3", fail_on_damage=True).samples == RATE_HZ


def test_a_long_file_ends_at_its_trim_without_being_read_to_its_end(tmp_path: Path) -> None:
    report = converted(corpus_file("mp4/sample_with_chapters.mp4"), tmp_path / "a.mp3", end_s=0.25)
    assert report.samples == 11025
    assert report.samples_in < 40_000
