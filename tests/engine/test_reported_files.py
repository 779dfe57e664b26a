"""Files of kinds that people reported to other projects as converted wrongly."""

import array
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from mutagen.id3 import ID3

from tests.engine.converting import converted, values
from tests.engine.decoders import samples_decoded
from tests.media import REPORTS, corpus_file
from tests.servers import require_program
from tests.servers.programs import missing
from video2mp3.errors import EmptyAudio, EncryptedAudio, UndecodableAudio


@dataclass(frozen=True)
class Case:
    file: str
    duration_s: float
    track: int = 1
    title: str | None = None
    warning: str = ""
    """A part of the one warning that there is."""
    options: dict[str, Any] = field(default_factory=dict)


ONE_OF_TWO = "Only track 2 of 2 audio tracks is converted: track 1 "
CASES = (
    Case("second-audio-appears-late.vob", 20.0),
    Case("video-starts-late.flv", 20.0),
    Case("m4a-with-id3v1.m4a", 3.0),
    Case("late-audio.flv", 15.0, warning="begins 11.97 s after the file's start"),
    Case("late-audio.flv", 3.0, warning="this is left out", options={"timing": "packed"}),
    Case("gap-3s.mp4", 12.0, warning="a gap of 2.99 s in all, from 4.01 s on"),
    Case("gap-3s.ts", 12.0, warning="a gap of 2.99 s in all, from 4.01 s on"),
    Case("gap-3s.ts", 9.05, warning="this is left out", options={"timing": "packed", "fail_on_damage": True}),
    Case("webrtc-dtx.webm", 8.0, warning="12 gaps of 4.40 s in all, from 1.19 s on; this is silence"),
    Case("audio-starts-2s-later-chapters.mkv", 8.0, warning="begins 2.00 s after"),
    Case("edit-list-empty-2s.mp4", 6.0, warning="begins 2.00 s after"),
    Case("g722.wav", 3.0),
    Case("formats/g7231.avi", 3.0),
    Case("formats/small.mxf", 0.52),
    Case("formats/one-frame.dv", 0.04),
    Case("formats/x.wv", 3.0),
    Case("formats/x.tta", 3.0),
    Case("first-nopackets.ts", 3.0, track=2, warning=ONE_OF_TWO + "is empty."),
    Case("iphone-apac1.mov", 3.0, track=2, warning=ONE_OF_TWO + "cannot be decoded."),
    Case("commentary-first-default-second.mkv", 3.0, track=2, warning=ONE_OF_TWO + "is a commentary."),
    Case("commentary-first-default-second.mkv", 3.0, options={"track": 1}),
    Case("language-deu-eng.ts", 2.0, options={"track": "eng"}),
    Case("language-deu-eng.ts", 2.0, options={"track": "de"}),
    Case("ambisonic-4ch.opus", 3.0),
    Case("antiphase.wav", 0.5, warning="--channels left", options={"channels": 1}),
    Case("antiphase.wav", 0.5, options={"channels": "left"}),
    Case("antiphase.wav", 0.5),
    Case("three-mics-third-only.wav", 0.5),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file} {case.options or ''}".strip())
def test_a_reported_file_is_converted_as_its_owner_expects(case: Case, tmp_path: Path) -> None:
    report = converted(reported(case.file), tmp_path / "out.mp3", **case.options)
    assert report.duration_s == pytest.approx(case.duration_s, abs=0.05)
    assert samples_decoded(tmp_path / "out.mp3", report.mp3_channels) == (report.samples, report.samples)
    assert report.track == case.track
    assert case.title in (None, report.title)
    assert [case.warning in warning for warning in report.warnings] == ([True] if case.warning else [])
    assert not report.truncated


@pytest.mark.parametrize("options", [{}, {"loudness_lufs": -16}, {"channels": 2}])
def test_gains_for_the_player_are_kept_as_long_as_they_hold(options: dict[str, Any], tmp_path: Path) -> None:
    converted(reported("replaygain-stale.mp3"), tmp_path / "out.mp3", keep_private_tags=True, **options)
    tags = (tmp_path / "out.mp3").read_bytes()[:4096].replace(b"\0", b"").lower()  # UTF-16 in ID3v2.3
    assert (b"replaygain_track_gain" in tags) == (not options)


_STEP_S = 0.005
_QUIET = 600
"""Peak of 16-bit samples; tones are louder, and what an encoder adds beside them is quieter."""
_SHORTEST_S = 0.1


def tones_in(sound: "array.array[int]", rate_hz: int) -> list[tuple[float, int]]:
    """Returns for each tone when it begins, in seconds, and its frequency, rounded to 50 Hz. `sound` is mono."""
    step = round(_STEP_S * rate_hz)
    loud = [max(map(abs, sound[at : at + step])) > _QUIET for at in range(0, len(sound) - step, step)]
    found: list[tuple[float, int]] = []
    start: int | None = None
    for place, is_loud in enumerate([*loud, False]):
        if is_loud and start is None:
            start = place
        elif not is_loud and start is not None:
            if (place - start) * _STEP_S > _SHORTEST_S:
                found.append((start * _STEP_S, _frequency(sound[start * step : place * step], rate_hz)))
            start = None
    return found


def _frequency(sound: Sequence[int], rate_hz: int) -> int:
    """Counts the zeros in the middle half: at its ends a tone may be cut off or faded."""
    middle = sound[len(sound) // 4 : 3 * len(sound) // 4]
    rising = sum(1 for one, after in pairwise(middle) if one < 0 <= after)
    return 50 * round(rising * rate_hz / len(middle) / 50)


@pytest.mark.parametrize(
    ("file", "options", "expected"),
    [
        ("gap-3s.mp4", {}, [400, 500, 600, 700, 0, 0, 0, 1100, 1200, 1300, 1400, 1500]),
        ("gap-3s.ts", {}, [400, 500, 600, 700, 0, 0, 0, 1100, 1200, 1300, 1400, 1500]),
        ("webrtc-dtx.webm", {}, [400, 0, 0, 0, 800, 0, 0, 1100]),
        ("audio-starts-2s-later-chapters.mkv", {}, [0, 0, 400, 500, 600, 700, 800, 900]),
        ("audio-starts-2s-later-chapters.mkv", {"start_s": 4, "end_s": 5}, [600]),
        ("audio-starts-2s-later-chapters.mkv", {"start_s": 4, "end_s": 5, "timing": "packed"}, [600]),
        ("edit-list-empty-2s.mp4", {}, [0, 0, 400, 500, 600, 700]),
    ],
)
def test_every_tone_is_where_the_video_has_it(
    file: str, options: dict[str, Any], expected: list[int], tmp_path: Path
) -> None:
    report = converted(reported(file), tmp_path / "out.mp3", **options)
    sound = values(tmp_path / "out.mp3")[:: report.mp3_channels]
    rate_hz = report.mp3_sample_rate_hz
    tones = tones_in(sound, rate_hz)
    assert [(round(at), hz) for at, hz in tones] == [(second, hz) for second, hz in enumerate(expected) if hz]
    assert all(abs(at - round(at)) <= 0.03 for at, _ in tones)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [("Silent", 0, 2000), ("Tone400", 2000, 4000), ("Tone600", 4000, 8000)]),
        ({"timing": "packed"}, [("Tone400", 0, 1999), ("Tone600", 1999, 5999)]),
        ({"timing": "packed", "start_s": 1, "end_s": 5}, [("Tone400", 0, 1999), ("Tone600", 1999, 2999)]),
        ({"start_s": 3}, [("Tone400", 0, 1000), ("Tone600", 1000, 5000)]),
    ],
)
def test_chapters_hold_the_same_sound_as_in_the_video(
    options: dict[str, Any], expected: list[tuple[str, int, int]], tmp_path: Path
) -> None:
    converted(reported("audio-starts-2s-later-chapters.mkv"), tmp_path / "out.mp3", **options)
    chapters = ID3(tmp_path / "out.mp3").getall("CHAP")  # type: ignore[no-untyped-call]
    found = [(str(chapter.sub_frames["TIT2"]), chapter.start_time, chapter.end_time) for chapter in chapters]
    assert found == expected


@pytest.mark.parametrize(
    ("file", "error"),
    [("emptyaudio.mp4", EmptyAudio), ("mpeg-h.mp4", UndecodableAudio), ("encrypted.mp4", EncryptedAudio)],
)
def test_a_track_that_gives_no_sound_is_refused_with_the_reason(
    file: str, error: type[UndecodableAudio], tmp_path: Path
) -> None:
    made = {
        "mpeg-h.mp4": lambda: corpus_file("mp4/sample_mpegh_mha1.mp4"),
        "encrypted.mp4": lambda: encrypted(tmp_path),
    }
    path = made[file]() if file in made else reported(file)
    with pytest.raises(error):
        converted(path, tmp_path / "out.mp3")


def encrypted(folder: Path) -> Path:
    command = [require_program("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac"]
    command += ["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "0" * 32, "-encryption_kid", "1" * 32]
    subprocess.run([*command, str(folder / "encrypted.mp4")], check=True)
    return folder / "encrypted.mp4"


@dataclass(frozen=True)
class Tagged:
    file: str
    texts: dict[str, str] = field(default_factory=dict)
    """What mutagen reads in the first MP3, by the names of frames."""
    chapters: int = 0
    segments: int = 1
    cover: str | None = None
    """Its media type."""
    options: dict[str, Any] = field(default_factory=dict)


TAGGED = (
    Tagged("latin1.wav", {"TIT2": "Café Zürich"}),
    Tagged("cp1251.avi", {"TIT2": "Привет мир", "TPE1": "Группа"}),
    Tagged("title-zwnj-zwj.mka", {"TIT2": "می\u200cخواهم 👨\u200d👩\u200d👧"}),
    Tagged("date-yyyymmdd.mka", {"TDRC": "2023-01-15"}),
    Tagged("date-yyyymmdd.mka", {"TDRC": "2023-01-15"}, options={"id3_version": "2.4"}),
    Tagged("cover-webp.mkv", cover="image/jpeg"),
    Tagged("cover-back-first.mp3", cover="image/jpeg"),
    Tagged("chapters-300.mka", {"TIT2": "Book"}, chapters=300),
    Tagged("chapters-300.mka", {"TRCK": "1"}, segments=300, options={"split": "chapters"}),
    Tagged("chapters-300.mka", segments=40, options={"split": "chapters", "start_s": 52}),
)


@pytest.mark.parametrize("case", TAGGED, ids=lambda case: f"{case.file} {case.options or ''}".strip())
def test_the_tags_of_a_reported_file_are_kept(case: Tagged, tmp_path: Path) -> None:
    report = converted(reported(case.file), tmp_path / "out.mp3", **case.options)
    tag: Any = ID3(tmp_path / "out.mp3")  # type: ignore[no-untyped-call]
    assert {name: str(tag[name]) for name in case.texts} == case.texts
    assert len(tag.getall("CHAP")) == case.chapters
    assert len(report.segments) == case.segments
    assert [(cover.type, cover.mime) for cover in tag.getall("APIC")] == ([(3, case.cover)] if case.cover else [])
    assert report.warnings == ()


def reported(name: str) -> Path:
    if not REPORTS.exists():
        missing(f"the files from reports ({REPORTS})")
    return REPORTS / name
