"""A file that was cut short is never a silent success."""

import struct
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.engine.sounds import write_wav
from tests.servers import require_program
from video2mp3.engine import FileSource, Report, convert
from video2mp3.errors import UnsupportedFormat

SECONDS = 3
RATE_HZ = 44100

CONTAINERS = {
    "faststart.mp4": ["-c:a", "aac", "-movflags", "+faststart"],
    "fragmented.mp4": ["-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov", "-frag_duration", "1000000"],
    "sound.mkv": ["-c:a", "ac3"],
    "sound.webm": ["-c:a", "libopus"],
    "sound.ogg": ["-c:a", "libvorbis", "-page_duration", "200000"],
    "sound.flac": [],
    "sound.wav": [],
    "sound.aiff": [],
    "sound.caf": [],
    "sound.mp3": ["-c:a", "libmp3lame"],
    "sound.avi": ["-c:a", "mp2"],
    "sound.flv": ["-c:a", "aac"],
    "sound.wma": ["-c:a", "wmav2"],
    "sound.ts": ["-c:a", "aac"],
    "sound.m2ts": ["-c:a", "ac3"],
    "sound.vob": ["-c:a", "mp2"],
    "wma.wav": ["-c:a", "wmav2"],
    "adpcm.wav": ["-c:a", "adpcm_ms"],
    "sound.w64": [],
    "sound.au": [],
    "sound.voc": [],
    "sound.sox": [],
    "sound.wv": ["-c:a", "wavpack"],
    "sound.rm": ["-c:a", "ac3"],
}
APE_TAG = b"APETAGEX" + struct.pack("<IIII8x", 2000, 32, 0, 0x80000000)
TAILS = {"ID3v1": b"TAG" + bytes(125), "APE": APE_TAG, "zeros": bytes(3000)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("containers")
    write_wav(folder / "source.wav", SECONDS * RATE_HZ)
    command = [require_program("ffmpeg"), "-v", "error", "-y", "-i", str(folder / "source.wav")]
    for name, options in CONTAINERS.items():
        command += [*options, str(folder / name)]
    subprocess.run(command, check=True)
    return folder


def converted(data: bytes, folder: Path) -> Report:
    path = folder / "video"
    path.write_bytes(data)
    with FileSource(path) as source, tempfile.TemporaryFile() as sink:
        return convert(source, sink)


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_whole_file_is_not_called_truncated(name: str, folder: Path) -> None:
    report = converted((folder / name).read_bytes(), folder)
    assert not report.truncated
    assert not report.warnings
    assert report.duration_s > SECONDS - 0.1


@pytest.mark.parametrize("name", CONTAINERS)
def test_what_follows_a_whole_file_is_not_called_truncated(name: str, folder: Path) -> None:
    """It should take tags and garbage behind the sound for what they are."""
    data = (folder / name).read_bytes()
    assert [tail for tail, more in TAILS.items() if converted(data + more, folder).truncated] == []


def test_sizes_that_a_recorder_could_not_know_are_not_called_truncated(folder: Path) -> None:
    """It should read to the end what was written through a pipe."""
    for kind, codec in (
        ("wav", "pcm_s16le"),
        ("au", "pcm_s16be"),
        ("caf", "pcm_s16le"),
        ("flac", "flac"),
        ("flv", "aac"),
    ):
        command = [require_program("ffmpeg"), "-v", "error", "-i", str(folder / "source.wav"), "-c:a", codec]
        data = subprocess.run([*command, "-f", kind, "-"], check=True, capture_output=True).stdout
        report = converted(data, folder)
        assert (report.truncated, report.warnings) == (False, ()), kind
        assert report.duration_s == pytest.approx(SECONDS, abs=0.1), kind


@pytest.mark.parametrize("share", [0.4, 0.97])
@pytest.mark.parametrize("name", CONTAINERS)
def test_a_cut_file_is_converted_as_far_as_it_goes_and_reported(name: str, share: float, folder: Path) -> None:
    data = (folder / name).read_bytes()
    cut = int(len(data) * share)
    at_packet = not (cut % 188 and cut % 192 and cut % 2048)  # then nobody can tell
    report = converted(data[: cut + 5 * at_packet], folder)
    assert report.truncated
    assert any("cut short" in warning for warning in report.warnings)
    assert 0 < report.samples < (SECONDS + 0.1) * report.mp3_sample_rate_hz


def test_an_mp4_without_its_index_is_not_media_and_the_sentence_says_what_to_check(folder: Path) -> None:
    plain = folder / "plain.mp4"
    command = [require_program("ffmpeg"), "-v", "error", "-y", "-i", str(folder / "source.wav"), str(plain)]
    subprocess.run(command, check=True)
    data = plain.read_bytes()
    assert converted(data, folder).samples == SECONDS * RATE_HZ  # the control
    with pytest.raises(UnsupportedFormat, match="copied whole"):
        converted(data[: len(data) // 2], folder)
