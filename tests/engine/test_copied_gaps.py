"""Gaps between copied frames: the same places as in an encoded MP3."""

import wave
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import pytest

from tests.engine.converting import converted
from tests.engine.decoders import samples_decoded
from tests.engine.tones import RATE_HZ, TONE_START_S, heard, second_of_sound
from video2mp3.engine import FileSource, Limits, Options, Report, convert
from video2mp3.errors import AudioTooLong, StartOutOfRange

SECONDS = 6
GAP_AT_S, GAP_S, LATE_S = 2, 3, Fraction(7, 5)
TOLERANCE_S = 0.03


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    with wave.open(str(folder / "a.wav"), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        for second in range(SECONDS):
            file.writeframes(second_of_sound(second).tobytes())
    converted(folder / "a.wav", folder / "a.mp3", bitrate_kbps=96)
    return folder / "a.mp3"


@pytest.fixture(scope="module", params=["mkv", "ts"])
def gapped(request: pytest.FixtureRequest, sound: Path) -> Path:
    """The sound from 1.4 s on, with a gap of 3 s after its second second."""
    path = sound.with_name(f"gapped.{request.param}")
    with av.open(str(sound)) as source, av.open(str(path), "w") as target:
        mp3 = target.add_stream_from_template(source.streams.audio[0])
        video = target.add_stream("mpeg4", rate=5)
        video.width, video.height, video.pix_fmt = 16, 16, "yuv420p"
        pictures = [video.encode(av.VideoFrame(16, 16, "yuv420p")) for _ in range(10)]
        for packet in chain(*pictures, video.encode(None)):
            target.mux(packet)
        for packet in source.demux(audio=0):
            if packet.pts is None or packet.time_base is None:
                continue
            at_s = packet.pts * packet.time_base
            packet.pts = packet.dts = round((at_s + LATE_S + (GAP_S if at_s >= GAP_AT_S else 0)) / packet.time_base)
            packet.stream = mp3
            target.mux(packet)
    return path


def converted_and_heard(path: Path, target: Path, **options: Any) -> tuple[Report, list[tuple[int, float]]]:
    report = converted(path, target, **options)
    if len(report.segments) > 1:
        return report, []
    assert samples_decoded(target, report.mp3_channels) == (report.samples, report.samples)
    return report, [(tone.second, tone.start_s - TONE_START_S) for tone in heard(target)]


@pytest.mark.parametrize(
    "options",
    [
        {"start_s": 2.4, "end_s": 8},
        {"timing": "packed"},
        {"timing": "packed", "start_s": 2.4, "end_s": 8},
        {"timing": "packed", "start_s": 5},
        {"split": 2.5},
        {"split": 2.5, "timing": "packed"},
        {"split": "silence", "timing": "packed"},
    ],
    ids=str,
)
def test_copied_sound_is_where_encoded_sound_is(options: dict[str, Any], gapped: Path, tmp_path: Path) -> None:
    copy, copied = converted_and_heard(gapped, tmp_path / "copied.mp3", copy=True, **options)
    encoded_mp3, encoded = converted_and_heard(gapped, tmp_path / "encoded.mp3", **options)
    assert [second for second, _ in copied] == [second for second, _ in encoded]
    assert [at_s for _, at_s in copied] == pytest.approx([at_s for _, at_s in encoded], abs=TOLERANCE_S)
    starts = [[segment.start_s for segment in report.segments] for report in (copy, encoded_mp3)]
    assert starts[0] == pytest.approx(starts[1], abs=TOLERANCE_S)
    assert abs(copy.duration_s - encoded_mp3.duration_s) < 2 * TOLERANCE_S
    assert copy.timeline.gap_count == encoded_mp3.timeline.gap_count


def test_every_copied_second_is_at_its_place(gapped: Path, tmp_path: Path) -> None:
    expected = [(n, float(LATE_S) + n + (GAP_S if n >= GAP_AT_S else 0)) for n in range(SECONDS)]
    _, found = converted_and_heard(gapped, tmp_path / "a.mp3", copy=True)
    assert [second for second, _ in found] == [second for second, _ in expected]
    assert [at_s for _, at_s in found] == pytest.approx([at_s for _, at_s in expected], abs=TOLERANCE_S)


def test_what_is_left_out_cannot_be_all(gapped: Path, tmp_path: Path) -> None:
    with pytest.raises(StartOutOfRange):
        converted(gapped, tmp_path / "a.mp3", copy=True, timing="packed", start_s=4, end_s=6)


def test_the_limit_is_checked_before_silence_is_copied(gapped: Path, tmp_path: Path) -> None:
    with FileSource(gapped) as source, (tmp_path / "a.mp3").open("wb") as sink, pytest.raises(AudioTooLong):
        convert(source, sink, Options(copy=True), limits=Limits(max_audio_s=4))
