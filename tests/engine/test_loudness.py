"""Loudness and true peak, as ffmpeg's ebur128 hears the MP3."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.engine.converting import converted, make
from tests.engine.decoders import samples_decoded
from tests.engine.sounds import write_wav
from tests.servers import require_program


def heard(path: Path) -> tuple[float, float]:
    """LUFS and dBTP by ffmpeg's ebur128."""
    command = [require_program("ffmpeg"), "-nostats", "-i", str(path), "-af", "ebur128=peak=true", "-f", "null", "-"]
    summary = subprocess.run(command, capture_output=True, check=True).stderr.decode().rpartition("Summary:")[2]
    lufs, peak = re.search(r"I: +(\S+) LUFS", summary), re.search(r"Peak: +(\S+) dBFS", summary)
    assert lufs is not None
    assert peak is not None
    return float(lufs[1]), float(peak[1])


def noise(path: Path, *filters: str, seconds: int = 12) -> Path:
    """A stereo noise through filters."""
    sources = [
        a for seed in "12" for a in ("-f", "lavfi", "-i", f"anoisesrc=color=pink:seed={seed}:d={seconds}:r=44100")
    ]
    graph = ",".join(["join=inputs=2:channel_layout=stereo", *filters])
    return make(path, *sources, "-filter_complex", graph)


@pytest.fixture(scope="module")
def noises(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A quiet one and a loud one."""
    folder = tmp_path_factory.mktemp("noises")
    return [
        noise(folder / f"{name}.wav", f"volume={gain}dB", seconds=5) for name, gain in (("quiet", -20), ("loud", -3))
    ]


@pytest.fixture(scope="module")
def raised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Has to be raised so much that its peaks forbid it."""
    return noise(tmp_path_factory.mktemp("raised") / "a.wav", "volume=-12dB")


@pytest.mark.parametrize("lufs", [-23, -16.5])
@pytest.mark.parametrize("options", [{}, {"channels": 1}, {"vbr_quality": 4, "sample_rate_hz": 24000}])
def test_the_loudness_is_the_one_asked_for(
    lufs: float, options: dict[str, object], noises: list[Path], tmp_path: Path
) -> None:
    """It should raise a quiet sound and lower a loud one to within 0.3 LU, whatever the encoder is told."""
    for source in noises:
        report = converted(source, tmp_path / "a.mp3", loudness_lufs=lufs, **options)
        found_lufs, peak_dbtp = heard(tmp_path / "a.mp3")
        assert report.loudness is not None
        assert found_lufs == pytest.approx(lufs, abs=0.3)
        assert report.loudness["lufs"] == pytest.approx(found_lufs, abs=0.1)
        assert report.loudness["true_peak_dbtp"] == pytest.approx(peak_dbtp, abs=0.15)
        assert peak_dbtp <= -0.9
        assert not report.warnings


def test_peaks_of_the_decoded_mp3_stay_below_the_limit(raised: Path, tmp_path: Path) -> None:
    """It should lower the gain where encoding has raised the peaks, and say that it is quieter."""
    report = converted(raised, tmp_path / "a.mp3", loudness_lufs=-8, bitrate_kbps=64)
    lufs, peak_dbtp = heard(tmp_path / "a.mp3")
    assert -1.6 <= peak_dbtp <= -0.9
    assert lufs < -8.3
    assert "quieter than asked for" in report.warnings[0]
    samples = report.samples
    assert samples_decoded(tmp_path / "a.mp3", 2) == (samples, samples)


def test_a_second_try_that_is_shorter_leaves_nothing_of_the_first(raised: Path, tmp_path: Path) -> None:
    """It should check out with VBR, where less gain makes fewer bytes."""
    report = converted(raised, tmp_path / "a.mp3", loudness_lufs=-8, vbr_quality=7)
    assert report.size_bytes == (tmp_path / "a.mp3").stat().st_size
    assert samples_decoded(tmp_path / "a.mp3", 2) == (report.samples, report.samples)
    assert heard(tmp_path / "a.mp3")[1] <= -0.9


def test_only_what_is_kept_counts(tmp_path: Path) -> None:
    source = noise(tmp_path / "a.wav", "volume='if(lt(t,6),0.5,0.02)':eval=frame")
    converted(source, tmp_path / "a.mp3", loudness_lufs=-20, start_s=6.5, fade_in_s=0.5)
    assert heard(tmp_path / "a.mp3")[0] == pytest.approx(-20, abs=0.3)


def test_silence_and_the_shortest_sounds_are_left_as_they_are(tmp_path: Path) -> None:
    silence = make(tmp_path / "a.wav", "-f", "lavfi", "-i", "anullsrc=d=2:r=44100")
    report = converted(silence, tmp_path / "a.mp3", loudness_lufs=-16)
    assert "silent" in report.warnings[0]
    assert report.loudness is not None
    assert (report.loudness["gain_db"], report.loudness["lufs"], report.samples) == (0, -70, 88200)
    for samples in (1, 1000):
        report = converted(write_wav(tmp_path / "b.wav", samples), tmp_path / "b.mp3", loudness_lufs=-16)
        assert samples_decoded(tmp_path / "b.mp3", 1) == (samples, samples)
        assert "shorter than 0.4 s" in report.warnings[0]


def test_a_loudness_that_cannot_be_reached_has_its_reason(tmp_path: Path) -> None:
    faint = make(tmp_path / "a.wav", "-f", "lavfi", "-i", "sine=d=1,volume=-58dB")
    assert "quieter than -70 LUFS" in converted(faint, tmp_path / "a.mp3", loudness_lufs=-16).warnings[0]
    source = noise(tmp_path / "b.wav", "highpass=6000", seconds=3)
    report = converted(source, tmp_path / "b.mp3", loudness_lufs=-40, bitrate_kbps=8, sample_rate_hz=48000)
    assert "the encoder changes it" in report.warnings[0]


def test_the_source_may_be_of_another_rate_and_layout(tmp_path: Path) -> None:
    source = make(
        tmp_path / "a.mkv", "-f", "lavfi", "-i", "anoisesrc=color=pink:seed=1:d=8:r=96000", "-ac", "6", "-c:a", "flac"
    )
    report = converted(source, tmp_path / "a.mp3", preset="podcast")
    assert report.encoder["bitrate_kbps"] == 128
    assert heard(tmp_path / "a.mp3")[0] == pytest.approx(-16, abs=0.3)
