"""Every file of the shared corpus gets the outcome that its README asks for, at the right length."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.engine.decoders import pcms_by_ffmpeg, pcms_by_mpg123
from tests.media import CORPUS
from tests.servers.programs import missing
from video2mp3.engine import FileSource, Report, convert, probe
from video2mp3.errors import Video2mp3Error

INDEX = CORPUS / "corpus.json"
ENTRIES: list[dict[str, Any]] = json.loads(INDEX.read_text()) if INDEX.exists() else []
THREADS = 3
DECODED_TOGETHER = 20

# The first test waits until all files are converted, which takes minutes on a busy machine.
pytestmark = pytest.mark.timeout(1500)

NOT_MEDIA = {
    "drm/sample_fragmented_widevine.mp4": "pieces of a stream without their beginning (moov): no track is described",
    "mp4/sample_fragmented_sideloaded_track.mp4": "pieces of a stream without their beginning",
    "mp3/play-trimmed.mp3": "418 bytes, not one whole frame",
}
"""Of ffmpeg's `no_audio_or_unreadable`: those that are not media. All others but one have no audio track."""
UNDECODABLE_IN_TS = "ts/sample_mpegh_lcbl_configchange_cont.ts"
"""Its program map announces MPEG-H 3D Audio, which ffmpeg does not list as a track."""

WITHOUT_SOUND = {
    "cmaf/multi-segment/audio_init.mp4": "empty_audio",
    "hls/multi-segment/init.mp4": "empty_audio",
    "mp4/sample_fragmented_uuid.mp4": "corrupt_audio",
    "ts/sample_dts_hd_across_pes.ts": "corrupt_audio",
}
"""Of ffmpeg's `undecodable_audio`: those that are empty or damaged. All others have no decoder."""

PARTS_LEFT_OUT = {
    "mp4/5p1_iamf_opus.mp4": "immersive audio (IAMF) of four substreams: like ffmpeg, only its first, the front pair",
}


LATE = "its time stamps begin that late"
LATE_PRIMED = "its time stamps begin 44 ms late, and the first packet holds no sound"
PRIMED = "its first packet lasts that long and holds no sound"
UNDECODABLE = "it is not the kind of audio that it claims, and no packet before decodes"
BEYOND_ITS_EDIT_LIST = {"3gp/bbb_mono_8kHz_12.2kbps_amrnb.3gp": 110, "mp4/bbb_mono_8kHz_12.2kbps_amrnb.3gp": 110}
"""Samples at the end that ffmpeg decodes, and that the file's edit list cuts off: the encoder's padding."""
ADDED_SILENCE: dict[str, tuple[int, str]] = {
    "dash/emsg/sample.audio.mp4": (2964, LATE_PRIMED),
    "mkv/sample.mkv": (5689, LATE),
    "mkv/sample_with_multiple_key_frames.mkv": (2734, LATE),
    "mkv/sample_with_overlapping_srt.mkv": (5689, LATE),
    "mkv/sample_with_ssa_subtitles.mkv": (5689, LATE),
    "mkv/sample_with_vorbis_audio.mkv": (2734, LATE),
    "mp4/bt601.mov": (2964, LATE_PRIMED),
    "mp4/sample.mp4": (2964, LATE_PRIMED),
    "mp4/sample_empty_track.mp4": (2964, PRIMED),
    "mp4/sample_fpcm_32be.mp4": (2955, LATE),
    "mp4/sample_ipcm_24le.mp4": (2955, LATE),
    "mp4/sample_twos_pcm.mp4": (2955, LATE),
    "mp4/sample_unsupported_brands.mp4": (2964, LATE_PRIMED),
    "mp4/sample_with_chapters.mp4": (2964, PRIMED),
    "mp4/sample_with_metadata.mp4": (2964, LATE_PRIMED),
    "mp4/sample_with_nero_chapters_only.mp4": (2964, PRIMED),
    "ts/sample_mpegh_lcbl_configchange_multi.ts": (33350, UNDECODABLE),
}
"""Samples of silence that the MP3 has more than ffmpeg decodes, and why."""


@dataclass
class Outcome:
    result: Report | Video2mp3Error
    seconds: float
    decoded: tuple[int, int] | None = None
    """Samples per channel of the MP3, by ffmpeg and mpg123."""


def convert_file(path: Path, target: Path) -> Outcome:
    started_s = time.monotonic()
    with FileSource(path) as source, target.open("wb") as sink:
        try:
            result: Report | Video2mp3Error = convert(source, sink)
        except Video2mp3Error as error:
            result = error
    return Outcome(result, time.monotonic() - started_s)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    folder = tmp_path_factory.mktemp("corpus")
    sources = [CORPUS / "corpus" / entry["path"] for entry in ENTRIES]
    targets = [folder / f"{number}.mp3" for number in range(len(ENTRIES))]
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(convert_file, sources, targets))
    decode([(one, target) for one, target in zip(found, targets, strict=True) if isinstance(one.result, Report)])
    return {entry["path"]: outcome for entry, outcome in zip(ENTRIES, found, strict=True)}


def decode(converted: list[tuple[Outcome, Path]]) -> None:
    """Fills in what the decoders find, several files at a time."""
    for first in range(0, len(converted), DECODED_TOGETHER):
        some = converted[first : first + DECODED_TOGETHER]
        paths = [path for _, path in some]
        for (outcome, _), ffmpegs, mpg123s in zip(some, pcms_by_ffmpeg(*paths), pcms_by_mpg123(*paths), strict=True):
            assert isinstance(outcome.result, Report)
            sample_bytes = 2 * outcome.result.mp3_channels
            outcome.decoded = (len(ffmpegs) // sample_bytes, len(mpg123s) // sample_bytes)


def of(kind: str) -> list[Any]:
    return [pytest.param(entry, id=entry["path"]) for entry in ENTRIES if entry["ffmpeg_outcome"] == kind]


def test_the_corpus_is_complete() -> None:
    if not ENTRIES:
        missing(f"the media corpus ({CORPUS})")
    assert len(ENTRIES) == 126


@pytest.mark.parametrize("entry", of("mp3") + of("mp3_partial"))
def test_audio_becomes_an_mp3_of_exactly_its_length(entry: dict[str, Any], outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[entry["path"]]
    report = outcome.result
    assert isinstance(report, Report), report
    decoded = entry["ffmpeg_first_track_pcm_s16_bytes"] // (2 * report.channels)
    assert report.samples_in == decoded - BEYOND_ITS_EDIT_LIST.get(entry["path"], 0)
    at_its_rate = Fraction(report.samples_in * report.mp3_sample_rate_hz, report.sample_rate_hz)
    silence, _ = ADDED_SILENCE.get(entry["path"], (0, ""))
    assert abs(report.samples - silence - at_its_rate) <= Fraction(1, 2)
    assert outcome.decoded == (report.samples, report.samples)
    assert not report.truncated


@pytest.mark.parametrize("entry", of("mp3_partial"))
def test_a_damaged_file_is_reported_as_damaged(entry: dict[str, Any], outcomes: dict[str, Outcome]) -> None:
    report = outcomes[entry["path"]].result
    assert isinstance(report, Report)
    assert report.damaged_packets > 0
    assert any("damaged" in warning for warning in report.warnings)


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if "silence_frames" in entry["path"]])
def test_a_pause_of_a_telephone_codec_is_no_damage(entry: dict[str, Any], outcomes: dict[str, Outcome]) -> None:
    report = outcomes[entry["path"]].result
    assert isinstance(report, Report)
    assert (report.damaged_packets, report.warnings) == (0, ())


@pytest.mark.parametrize("entry", of("undecodable_audio"))
def test_audio_of_an_unknown_kind_has_its_own_code(entry: dict[str, Any], outcomes: dict[str, Outcome]) -> None:
    assert_failed(outcomes[entry["path"]], WITHOUT_SOUND.get(entry["path"], "undecodable_audio"))


@pytest.mark.parametrize("entry", of("no_audio_or_unreadable"))
def test_no_audio_and_no_media_are_told_apart(entry: dict[str, Any], outcomes: dict[str, Outcome]) -> None:
    expected = "unsupported_format" if entry["path"] in NOT_MEDIA else "no_audio"
    assert_failed(outcomes[entry["path"]], "undecodable_audio" if entry["path"] == UNDECODABLE_IN_TS else expected)


@pytest.mark.parametrize(
    "path",
    [UNDECODABLE_IN_TS, "mp4/sample_video_only.mp4"] if ENTRIES else [],
)
def test_a_probe_says_of_a_file_without_sound_what_its_conversion_says(path: str, outcomes: dict[str, Outcome]) -> None:
    with FileSource(CORPUS / "corpus" / path) as source:
        warnings = probe(source).warnings
    assert warnings == (str(outcomes[path].result),)


def assert_failed(outcome: Outcome, code: str) -> None:
    assert isinstance(outcome.result, Video2mp3Error), outcome.result
    assert outcome.result.code == code
    assert outcome.seconds < 5


@pytest.mark.parametrize("path", PARTS_LEFT_OUT if ENTRIES else [])
def test_what_is_left_out_of_immersive_audio_is_said(path: str, outcomes: dict[str, Outcome]) -> None:
    report = outcomes[path].result
    assert isinstance(report, Report)
    assert any("immersive" in warning for warning in report.warnings)
