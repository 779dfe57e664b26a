"""Files are converted while they come: from their first bytes on, to the same MP3 as when they are there."""

import hashlib
import subprocess
import threading
from pathlib import Path

import pytest

from tests.media import make_video
from tests.options import resolved
from tests.servers import require_program
from video2mp3.engine import FileSource, Options, Progress, convert
from video2mp3.engine.containers.source_inspection import inspect_source
from video2mp3.engine.containers.streamability import (
    HEAD_BYTES,
    MoreNeeded,
    StreamInfo,
    inspect_head,
    requires_full_input,
)

SECONDS = 30
HIGH = ("-b:a", "320k")
"""So that half a minute is more than is read ahead."""
AS_IT_COMES = ["faststart.mp4", "fragmented.mp4", "talk.mkv", "talk.webm", "talk.ts", "talk.flv", "talk.avi"]
AS_IT_COMES += ["talk.ogg", "talk.wav"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same video in all containers that can be converted as they come, and in some that cannot."""
    folder = tmp_path_factory.mktemp("containers")
    source = make_video(folder / "faststart.mp4", SECONDS, audio=("-c:a", "aac", *HIGH))
    kinds = {
        "fragmented.mp4": ["-c", "copy", "-movflags", "frag_keyframe+empty_moov+default_base_moof"],
        "late.mp4": ["-c", "copy"],
        "talk.mkv": ["-c", "copy"],
        "talk.webm": ["-vn", "-c:a", "libopus", *HIGH],
        "talk.ts": ["-c", "copy"],
        "talk.flv": ["-c", "copy"],
        "talk.avi": ["-c:v", "mpeg4", "-c:a", "libmp3lame", *HIGH],
        "talk.ogg": ["-vn", "-c:a", "libvorbis", *HIGH],
        "talk.wav": ["-vn", "-c:a", "pcm_s16le"],
        "talk.mp3": ["-vn", "-c:a", "libmp3lame"],
    }
    command = [require_program("ffmpeg"), "-v", "error", "-y", "-i", str(source)]
    for name, arguments in kinds.items():
        command += [*arguments, str(folder / name)]
    subprocess.run(command, check=True)
    wav = (folder / "talk.wav").read_bytes()
    (folder / "tagged.wav").write_bytes(wav + b"LIST" + (4).to_bytes(4, "little") + b"INFO")
    return folder


def inspected(data: bytes, known_bytes: int | None = None) -> StreamInfo | MoreNeeded:
    """What the API learns: the look at the head, and where that does not tell, what the sandbox says."""
    known_bytes = len(data) if known_bytes is None else known_bytes
    answer = inspect_head(data[: min(known_bytes, HEAD_BYTES)], len(data))
    if isinstance(answer, MoreNeeded):
        answer = inspect_source(lambda offset, size: data[:known_bytes][offset : offset + size], known_bytes, len(data))
    return answer


def info_of(path: Path) -> StreamInfo:
    answer = inspected(path.read_bytes())
    assert isinstance(answer, StreamInfo)
    return answer


class Arriving:
    """A file of which the first part is there; the rest comes when `rest` is set."""

    growing = True

    def __init__(self, path: Path, share: float) -> None:
        self.name, self.data = path.name, path.read_bytes()
        self.size_bytes = len(self.data)
        self.rest = threading.Event()
        self.waited_in_vain = False
        self._here_bytes = int(self.size_bytes * share)

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        if min(offset_bytes + size_bytes, self.size_bytes) > self._here_bytes and not self.rest.wait(20):
            self.waited_in_vain = True
            self.rest.set()
        return self.data[offset_bytes : offset_bytes + size_bytes]


@pytest.mark.parametrize("name", AS_IT_COMES)
def test_it_is_converted_as_it_comes_to_the_same_bytes(files: Path, tmp_path: Path, name: str) -> None:
    """It should make progress before the rest is there."""
    assert info_of(files / name).blocked_reason is None
    # So much that there is sound in it, with the megabyte that is read ahead.
    source = Arriving(files / name, 0.7)

    def on_progress(progress: Progress) -> None:
        if progress.done_s > 0:
            source.rest.set()

    quickly = Options(sample_rate_hz=16000, channels=1)
    with (tmp_path / "coming.mp3").open("wb+") as sink:
        coming = convert(source, sink, quickly, on_progress=on_progress)
    assert not source.waited_in_vain
    with FileSource(files / name) as whole, (tmp_path / "whole.mp3").open("wb+") as sink:
        convert(whole, sink, quickly)
    assert hashlib.sha256((tmp_path / "whole.mp3").read_bytes()).hexdigest() == coming.sha256


@pytest.mark.parametrize("name", ["late.mp4", "talk.mp3", "tagged.wav"])
def test_what_needs_its_end_says_why(files: Path, name: str) -> None:
    assert info_of(files / name).blocked_reason


def test_the_length_is_told_where_the_head_has_it(files: Path) -> None:
    for name in ("faststart.mp4", "talk.mkv", "talk.webm", "talk.wav"):
        assert info_of(files / name).duration_s == pytest.approx(SECONDS, abs=0.2)


@pytest.mark.parametrize("name", [*AS_IT_COMES, "late.mp4", "talk.mp3"])
def test_too_few_bytes_never_tell_what_more_deny(files: Path, name: str) -> None:
    data = (files / name).read_bytes()
    whole = inspected(data)
    steps = [*range(0, 9000, 500), *range(9000, len(data), max(1, len(data) // 20))]
    for known_bytes in steps:
        found = inspected(data, known_bytes)
        assert isinstance(found, MoreNeeded) or found == whole, known_bytes


def test_hostile_heads_end() -> None:
    for start in (b"\0\0\0\x08ftyp", b"\x1a\x45\xdf\xa3", b"RIFF\0\0\0\0WAVE", b"\0\0\0\0moov"):
        for filler in (b"\0", b"\xff", b"\x01", b"\0\0\0\x08free"):
            data = start + filler * 20_000
            assert isinstance(inspect_head(data, len(data)), StreamInfo | MoreNeeded)


def test_options_can_need_the_end() -> None:
    assert requires_full_input(resolved(bitrate_kbps=96)) is None
    assert requires_full_input(resolved(loudness_lufs=-16)) == "loudness"
    assert requires_full_input(resolved(preset="podcast")) == "loudness"
    assert requires_full_input(resolved(split="silence")) == "split_silence"
    assert requires_full_input(resolved(cover_at_s=1.0)) == "cover_at"
    assert requires_full_input(resolved(split=60)) is None
