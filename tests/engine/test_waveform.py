import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.converting import converted
from tests.engine.sounds import BytesSource, wav_with, write_wav
from video2mp3.engine import FileSource, waveform
from video2mp3.engine.envelope import Envelope
from video2mp3.engine.report import LOUDEST, WAVEFORM_POINTS
from video2mp3.errors import NotMedia


def test_the_mp3_of_a_sound_looks_like_it(tmp_path: Path) -> None:
    """It should show the swelling and fading of the tone, as far as the numbers go."""
    wav = write_wav(tmp_path / "a.wav", 88_200, channels=2)
    converted(wav, tmp_path / "a.mp3")
    with FileSource(wav) as source, FileSource(tmp_path / "a.mp3") as mp3:
        before, after = waveform(source), waveform(mp3)
    assert (after.duration_s, after.step_s, len(after.peaks)) == (before.duration_s, before.step_s, len(before.peaks))
    assert after.duration_s == 2.0
    assert max(abs(a - b) for a, b in zip(before.peaks, after.peaks, strict=True)) <= 4
    assert max(before.peaks) > 10 * min(before.peaks[10:])


def test_the_loudest_sample_is_full_scale() -> None:
    pcm = array.array("h", [0] * 700 + [-32768] + [0] * 700).tobytes()
    found = waveform(BytesSource(wav_with(pcm)))
    assert max(found.peaks) == LOUDEST
    assert sum(peak > 0 for peak in found.peaks) == 1


def test_what_is_no_sound_has_none() -> None:
    with pytest.raises(NotMedia):
        waveform(BytesSource(b"not media at all" * 100))


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=2000), st.integers(1, 5), st.sampled_from([1, 2]))
def test_peaks_are_exact_however_the_sound_comes(values: list[int], repeats: int, channels: int) -> None:
    pcm = array.array("h", values * channels * repeats * 50).tobytes()
    envelope = Envelope(channels)
    for start in range(0, len(pcm), 30_001 * 2 * channels):
        envelope.take(pcm[start : start + 30_001 * 2 * channels])
    envelope.finish()
    assert len(envelope.peaks) < 2 * WAVEFORM_POINTS
    step_bytes = envelope.step_samples * channels * 2
    for number in range(0, len(envelope.peaks), 97):
        step = array.array("h", pcm[number * step_bytes : (number + 1) * step_bytes])
        highs = [value >> 8 for value in step]
        assert envelope.peaks[number] == max(abs(high) for high in highs)
