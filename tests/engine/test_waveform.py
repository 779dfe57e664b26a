import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.converting import converted
from tests.engine.sounds import BytesSource, wav_with, write_wav
from video2mp3.engine import FileSource, Waveform, waveform
from video2mp3.engine.child.audio.waveform import WaveformPeaks
from video2mp3.engine.parent.child_messages import segment_of
from video2mp3.engine.report import LOUDEST, WAVEFORM_POINTS
from video2mp3.errors import EngineCrashed, UnsupportedFormat


def test_the_mp3_of_a_sound_looks_like_it(tmp_path: Path) -> None:
    """It should show the swelling and fading of the tone, as far as the numbers go."""
    wav = write_wav(tmp_path / "a.wav", 88_200, channels=2)
    converted(wav, tmp_path / "a.mp3", bitrate_kbps=192)
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
    with pytest.raises(UnsupportedFormat):
        waveform(BytesSource(b"not media at all" * 100))


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=2000), st.integers(1, 5), st.sampled_from([1, 2]))
def test_peaks_are_exact_however_the_sound_comes(values: list[int], repeats: int, channels: int) -> None:
    pcm = array.array("h", values * channels * repeats * 50).tobytes()
    waveform_peaks = WaveformPeaks(channels)
    for start in range(0, len(pcm), 30_001 * 2 * channels):
        waveform_peaks.take(pcm[start : start + 30_001 * 2 * channels])
    waveform_peaks.finish()
    assert len(waveform_peaks.peaks) < 2 * WAVEFORM_POINTS
    step_bytes = waveform_peaks.step_samples * channels * 2
    for number in range(0, len(waveform_peaks.peaks), 97):
        step = array.array("h", pcm[number * step_bytes : (number + 1) * step_bytes])
        highs = [value >> 8 for value in step]
        assert waveform_peaks.peaks[number] == max(abs(high) for high in highs)


def looks_alike(recorded: Waveform | None, measured: Waveform, tolerance: int = 4) -> bool:
    """Compares the peaks of what was encoded with those of the MP3: as lossy as that, and a step off at the ends."""
    assert recorded is not None
    assert recorded.duration_s == pytest.approx(measured.duration_s)
    ratio = max(recorded.step_s, measured.step_s)
    ours, theirs = (pooled(found, 4 * ratio) for found in (recorded, measured))
    assert abs(len(ours) - len(theirs)) <= 1
    return all(abs(a - b) <= tolerance for a, b in list(zip(ours, theirs, strict=False))[1:-1])


def pooled(found: Waveform, step_s: float) -> list[int]:
    group = round(step_s / found.step_s)
    return [max(found.peaks[n : n + group]) for n in range(0, len(found.peaks), group)]


def test_a_conversion_records_the_waveform_of_its_mp3(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "a.wav", 5 * 44_100, channels=2)
    report = converted(wav, tmp_path / "a.mp3", start_s=0.5, fade_out_s=2)
    with FileSource(tmp_path / "a.mp3") as mp3:
        assert looks_alike(report.segments[0].waveform, waveform(mp3))


def test_at_another_loudness_it_is_that_of_the_mp3(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "a.wav", 5 * 44_100, channels=1)
    report = converted(wav, tmp_path / "a.mp3", loudness_lufs=-30)
    with FileSource(tmp_path / "a.mp3") as mp3:
        assert looks_alike(report.segments[0].waveform, waveform(mp3))


def test_each_segment_has_its_own(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "a.wav", 30 * 44_100, channels=2)
    report = converted(wav, tmp_path / "a.mp3", split=10)
    mp3s = (tmp_path / "a.mp3").read_bytes()
    assert len(report.segments) == 3
    for segment in report.segments:
        alone = BytesSource(mp3s[segment.offset_bytes : segment.offset_bytes + segment.size_bytes])
        assert looks_alike(segment.waveform, waveform(alone))
        assert segment.waveform is not None
        assert WAVEFORM_POINTS <= len(segment.waveform.peaks) <= 2 * WAVEFORM_POINTS


def test_what_is_copied_has_none(tmp_path: Path) -> None:
    converted(write_wav(tmp_path / "a.wav", 44_100, channels=1), tmp_path / "a.mp3")
    assert converted(tmp_path / "a.mp3", tmp_path / "b.mp3", copy=True).segments[0].waveform is None


def test_the_report_as_json_is_without_them(tmp_path: Path) -> None:
    report = converted(write_wav(tmp_path / "a.wav", 44_100, channels=1), tmp_path / "a.mp3")
    assert report.segments[0].waveform is not None
    assert "waveform" not in report.as_dict()["segments"][0]


@pytest.mark.parametrize(
    "recorded",
    [
        7,
        {},
        {"peaks": "AAAA"},
        {"peaks": [0, 0, 0], "step_samples": 100},
        {"peaks": "AAAA", "step_samples": 0},
        {"peaks": "AAAA", "step_samples": -100},
        {"peaks": "AAAA", "step_samples": 99.5},
        {"peaks": "AA", "step_samples": 100},
        {"peaks": "AA*AA", "step_samples": 100},
        {"peaks": "ü" * 4, "step_samples": 100},
        {"peaks": "/wAA", "step_samples": 100},  # louder than full scale
        {"peaks": "AAAA" * 2, "step_samples": 100},  # longer than the MP3
        {"peaks": "AAAA", "step_samples": 10},  # shorter
        {"peaks": "AAAA" * 1000, "step_samples": 1},
    ],
    ids=str,
)
def test_a_child_that_lies_about_a_waveform_has_crashed(recorded: object) -> None:
    counts = dict.fromkeys(("offset_bytes", "size_bytes", "track", "frames", "channels"), 1)
    said = {**counts, "samples": 300, "sample_rate_hz": 8000, "start_s": 0, "title": None}
    good = segment_of({**said, "waveform": {"peaks": "AAAA", "step_samples": 100}}).waveform
    assert good == Waveform(duration_s=0.0375, step_s=0.0125, peaks=(0, 0, 0))
    with pytest.raises(EngineCrashed):
        segment_of({**said, "waveform": recorded})
