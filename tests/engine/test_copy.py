"""MP3 audio that is taken over as it is: the same frames, and the same sound in two decoders."""

import subprocess
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pytest
from mutagen.id3 import ID3

from tests.engine.converting import converted, make
from tests.engine.decoders import pcm_by_ffmpeg, pcm_by_mpg123, pcms_by_ffmpeg, pcms_by_mpg123, samples_decoded
from tests.engine.test_split import segments_of
from video2mp3.engine.mp3.finder import FrameFinder
from video2mp3.engine.mp3.frames import parse_header
from video2mp3.engine.mp3.info_tag import read_info_tag
from video2mp3.errors import DamagedAudio, NotMp3, StartOutOfRange

LEFT, RIGHT = "0.4*sin(1200*t*(1+t/9))+0.1*(random(0)-0.5)", "0.3*sin(900*t)*sin(3*t)+0.1*(random(1)-0.5)"
SOUND = f"aevalsrc='{LEFT}|{RIGHT}':s=44100:d=5.01"
KINDS: dict[str, list[str]] = {
    "CBR 128": ["-b:a", "128k"],
    "CBR 32": ["-b:a", "32k", "-ar", "48000"],
    "VBR": ["-q:a", "4"],
    "VBR mono": ["-q:a", "6", "-ac", "1"],
    "ABR 22050": ["-abr", "1", "-b:a", "48k", "-ar", "22050"],
    "8000": ["-b:a", "16k", "-ar", "8000"],
    "no tag": ["-b:a", "96k", "-write_xing", "0", "-id3v2_version", "0"],
    "no tag 22050 mono": ["-b:a", "40k", "-ar", "22050", "-ac", "1", "-write_xing", "0", "-id3v2_version", "0"],
}
CONTAINERS = ("mp4", "mov", "mkv", "avi", "flv", "ts")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sound in each of the kinds."""
    folder = tmp_path_factory.mktemp("sources")
    *outputs, last = [word for kind, how in KINDS.items() for word in (*how, str(source_of(kind, folder)))]
    make(Path(last), "-f", "lavfi", "-i", SOUND, *outputs)
    return folder


def source_of(kind: str, folder: Path) -> Path:
    return folder / f"{kind}.mp3"


def frames_of(path: Path) -> list[bytes]:
    """The audio frames, without the info frame."""
    finder = FrameFinder()
    data = path.read_bytes()
    frames = [frame.data for frame in [*finder.feed(data), *finder.feed(b"", ended=True)]]
    return frames[1:] if read_info_tag(frames[0], 0) else frames


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_of_a_file_has_its_frames_and_its_sound(kind: str, folder: Path, tmp_path: Path) -> None:
    source = source_of(kind, folder)
    report = converted(source, tmp_path / "a.mp3", copy=True)
    untagged = kind.startswith("no tag")
    filler = {"no tag": 1, "no tag 22050 mono": 4}.get(kind, 0)
    assert frames_of(tmp_path / "a.mp3")[filler:] == frames_of(source)
    assert pcm_by_mpg123(tmp_path / "a.mp3") == pcm_by_mpg123(source)
    if untagged:  # ffmpeg complains of those
        made = pcm_by_ffmpeg(tmp_path / "a.mp3")
        assert made == make(tmp_path / "a.wav", "-i", str(source), "-bitexact").read_bytes()[44:]
    else:
        made, wanted = pcms_by_ffmpeg(tmp_path / "a.mp3", source)
        assert made == wanted
    assert report.codec == "mp3"
    assert report.samples * 2 * report.channels == len(made)


def test_a_copy_ends_where_the_edit_list_of_its_mp4_does(folder: Path, tmp_path: Path) -> None:
    """It should do so as a conversion does. ffmpeg before version 9 writes no edit list that ends within a frame."""
    source = make(tmp_path / "a.mp4", "-i", str(source_of("CBR 128", folder)), "-c:a", "copy")
    data = bytearray(source.read_bytes())
    movie, edits = data.index(b"mvhd"), data.index(b"elst")
    ticks_per_s = int.from_bytes(data[movie + 16 : movie + 20])
    data[edits + 12 : edits + 16] = (5 * ticks_per_s).to_bytes(4)
    source.write_bytes(data)
    samples = [converted(source, tmp_path / "a.mp3", copy=copy).samples for copy in (True, False)]
    assert samples == [5 * 44_100, 5 * 44_100]


@pytest.mark.parametrize("delay_s", [0.04, 1.5])
def test_a_delayed_track_of_an_mp4_keeps_its_end(delay_s: float, folder: Path, tmp_path: Path) -> None:
    """The edit list begins with an empty edit, which FFmpeg's duration of the track may not have."""
    source = source_of("CBR 128", folder)
    mp4 = make(tmp_path / "a.mp4", "-itsoffset", str(delay_s), "-i", str(source), "-c:a", "copy")
    samples = [converted(mp4, tmp_path / "a.mp3", copy=copy).samples for copy in (True, False)]
    sound = 1152 * len(frames_of(source))
    encoder_delay = 1105
    lead = delay_s * 44_100 - encoder_delay if delay_s > 1 else 0  # a shorter one is no gap
    assert samples == pytest.approx([lead + sound] * 2, abs=44_100 / 1000)  # the movie's ticks


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", ["CBR 128", "VBR mono"])
def test_a_copy_of_a_container_s_track_sounds_as_the_track(
    kind: str, container: str, folder: Path, tmp_path: Path
) -> None:
    mp3 = source_of(kind, folder)
    video = [
        "-f",
        "lavfi",
        "-i",
        "testsrc=d=5:r=5:s=64x48",
        "-map",
        "1",
        "-map",
        "0",
        "-c:v",
        "flv1" if container == "flv" else "mpeg4",
    ]
    source = make(tmp_path / f"a.{container}", "-i", str(mp3), *video, "-c:a", "copy")
    report = converted(source, tmp_path / "a.mp3", copy=True)
    frames = frames_of(tmp_path / "a.mp3")
    assert frames[-len(frames_of(mp3)) :] == frames_of(mp3)
    copied, wanted = pcms_by_ffmpeg(tmp_path / "a.mp3", source)
    assert copied == wanted
    counts = [len(pcm) // (2 * report.channels) for pcm in (copied, pcm_by_mpg123(tmp_path / "a.mp3"))]
    assert counts == [report.samples, report.samples]


RANGES: tuple[dict[str, float], ...] = ({}, {"start_s": 1.2345}, {"end_s": 3.3}, {"start_s": 2.5, "end_s": 4.501})


@pytest.mark.parametrize("kind", KINDS)
def test_segments_of_a_copy_are_exact_to_the_sample(kind: str, folder: Path, tmp_path: Path) -> None:
    source = source_of(kind, folder)
    whole = converted(source, tmp_path / "whole.mp3", copy=True)
    rate, frame_bytes = whole.sample_rate_hz, 2 * whole.channels
    segments = []
    for number, options in enumerate(RANGES):
        report = converted(source, tmp_path / f"{number}.mp3", copy=True, split=1.1, **options)
        assert {segment.samples for segment in report.segments[:-1]} == {round(1.1 * rate)}
        assert report.segments[0].start_s == options.get("start_s", 0)
        segments.append(segments_of(report, tmp_path / f"{number}.mp3"))
    exact = (pcms_by_ffmpeg,) if "mono" in kind and "22050" in kind else (pcms_by_ffmpeg, pcms_by_mpg123)
    for decoded in exact:
        wanted, *found = decoded(tmp_path / "whole.mp3", *chain(*segments))
        rest = iter(found)
        for options, files in zip(RANGES, segments, strict=True):
            first, last = round(options.get("start_s", 0) * rate), round(options.get("end_s", 100) * rate)
            joined = b"".join(islice(rest, len(files)))
            assert joined == wanted[first * frame_bytes : last * frame_bytes], options


def test_a_copy_is_split_at_its_silences(tmp_path: Path) -> None:
    sound = "aevalsrc='0.3*sin(2000*t)*(between(t,0,2)+between(t,4,6)+between(t,7,8))':s=44100:d=9"
    source = make(tmp_path / "a.mp3", "-f", "lavfi", "-i", sound)
    report = converted(source, tmp_path / "b.mp3", copy=True, split="silence", silence_s=1.5)
    assert [segment.start_s for segment in report.segments] == pytest.approx([0, 2.75], abs=0.04)
    wanted, *found = pcms_by_ffmpeg(source, *segments_of(report, tmp_path / "b.mp3"))
    assert b"".join(found) == wanted


def test_what_is_around_the_frames_is_left_out(folder: Path, tmp_path: Path) -> None:
    """It should find the frames between a large ID3 tag and an ID3v1, an APE tag, and garbage in the middle."""
    plain = source_of("CBR 128", folder).read_bytes()
    id3v1 = b"TAG" + b"My title".ljust(125, b"\0")
    ape = b"APETAGEX" + bytes(24) + b"\xff\xfb\x90\x44" * 20 + b"APETAGEX" + bytes(24)
    (tmp_path / "a.mp3").write_bytes(plain + ape + id3v1)
    report = converted(tmp_path / "a.mp3", tmp_path / "b.mp3", copy=True)
    assert frames_of(tmp_path / "b.mp3") == frames_of(source_of("CBR 128", folder))
    assert (report.damaged_packets, report.truncated) == (0, False)


def test_garbage_between_frames_is_counted(folder: Path, tmp_path: Path) -> None:
    frames = frames_of(source_of("no tag", folder))
    (tmp_path / "a.mp3").write_bytes(b"".join([*frames[:50], bytes(1000), b"\xff\xfb\x90", *frames[50:]]))
    report = converted(tmp_path / "a.mp3", tmp_path / "b.mp3", copy=True)
    assert frames_of(tmp_path / "b.mp3")[-len(frames) :] == frames
    assert report.damaged_packets == 1
    with pytest.raises(DamagedAudio):
        converted(tmp_path / "a.mp3", tmp_path / "b.mp3", copy=True, fail_on_damage=True)


def test_a_copy_begins_in_the_middle_of_a_stream(folder: Path, tmp_path: Path) -> None:
    """It should silence the frames whose data are not there, as recordings of broadcasts have them."""
    source = source_of("CBR 32", folder)
    frames = frames_of(source)[60:]
    (tmp_path / "a.mp3").write_bytes(b"".join(frames))
    report = converted(tmp_path / "a.mp3", tmp_path / "b.mp3", copy=True)
    assert report.samples == 1152 * len(frames)
    late = 15 * 1152  # at 32 kbit/s a frame's data may begin eight frames before it
    whole = pcm_by_ffmpeg(source)[(60 * 1152 - 1105 + late) * 4 :]
    for decoder in (pcm_by_ffmpeg, pcm_by_mpg123):
        found = decoder(tmp_path / "b.mp3")
        assert len(found) == 4 * report.samples
        if decoder is pcm_by_ffmpeg:
            assert found[late * 4 :].startswith(whole)


def test_tags_are_the_source_s_and_one_s_own_and_no_encoder_is_claimed(folder: Path, tmp_path: Path) -> None:
    tagged = make(tmp_path / "a.mp3", "-i", str(source_of("VBR", folder)), "-metadata", "artist=Ada", "-c", "copy")
    converted(tagged, tmp_path / "b.mp3", copy=True, title="Mine")
    tags: Any = ID3(tmp_path / "b.mp3")  # type: ignore[no-untyped-call]
    assert {name: str(frame) for name, frame in tags.items()} == {"TIT2": "Mine", "TPE1": "Ada"}


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("a.mp2", ["-c:a", "mp2"], "mp2"),
        ("a.m4a", ["-c:a", "aac"], "aac"),
    ],
)
def test_other_audio_is_not_copied(name: str, arguments: list[str], words: str, tmp_path: Path) -> None:
    source = make(tmp_path / name, "-f", "lavfi", "-i", "sine=d=1", *arguments)
    with pytest.raises(NotMp3, match=words):
        converted(source, tmp_path / "a.mp3", copy=True)


def test_a_stream_that_changes_its_format_is_not_copied(folder: Path, tmp_path: Path) -> None:
    both = source_of("no tag", folder).read_bytes() + source_of("no tag 22050 mono", folder).read_bytes()
    (tmp_path / "a.mp3").write_bytes(both)
    with pytest.raises(NotMp3, match="changes"):
        converted(tmp_path / "a.mp3", tmp_path / "b.mp3", copy=True)


def test_all_tracks_are_copied_and_split(folder: Path, tmp_path: Path) -> None:
    one, two = (str(source_of(kind, folder)) for kind in ("CBR 128", "ABR 22050"))
    film = make(tmp_path / "a.mkv", "-i", one, "-i", two, "-map", "0", "-map", "1", "-c", "copy")
    report = converted(film, tmp_path / "a.mp3", copy=True, track="all", split=3)
    assert [(segment.track, segment.start_s) for segment in report.segments] == [(1, 0), (1, 3), (2, 0), (2, 3)]
    files = segments_of(report, tmp_path / "a.mp3")
    for track in (0, 1):
        alone = make(tmp_path / "a.wav", "-i", str(film), "-map", f"0:{track}", "-bitexact").read_bytes()[44:]
        assert b"".join(pcms_by_ffmpeg(*files[2 * track :][:2])) == alone


def test_a_start_beyond_the_end_of_a_copy_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StartOutOfRange):
        converted(source_of("VBR", folder), tmp_path / "a.mp3", copy=True, start_s=5.01)


def test_a_copy_of_next_to_nothing_is_a_frame_long(folder: Path, tmp_path: Path) -> None:
    report = converted(source_of("CBR 128", folder), tmp_path / "a.mp3", copy=True, start_s=1, end_s=1.001)
    assert report.samples == 1152
    assert samples_decoded(tmp_path / "a.mp3", 2) == (1152, 1152)


def protected(frame: bytes) -> bytes:
    """The frame with a CRC, at the next bitrate: there has to be room. Source: ISO/IEC 11172-3 §2.4.3.1."""
    head = bytes((frame[0], frame[1] & 0xFE, frame[2] + 0x10, frame[3]))
    side, crc = frame[4:36], 0xFFFF
    for bit in f"{int.from_bytes(head[2:] + side, 'big'):0272b}":
        crc = crc << 1 ^ (0x8005 if (crc >> 15) ^ int(bit) else 0)
        crc &= 0xFFFF
    header = parse_header(head)
    assert header is not None
    return (head + crc.to_bytes(2, "big") + frame[4:]).ljust(header.size_bytes, b"\0")


def test_frames_with_a_crc_are_copied_and_split(tmp_path: Path) -> None:
    """It should give made-up frames a CRC too; ffmpeg is asked to check it."""
    source = make(tmp_path / "a.mp3", "-f", "lavfi", "-i", SOUND, "-b:a", "96k", "-reservoir", "0", "-write_xing", "0")
    (tmp_path / "a.mp3").write_bytes(b"".join(protected(frame) for frame in frames_of(source)))
    report = converted(source, tmp_path / "b.mp3", copy=True, split=1)
    files = segments_of(report, tmp_path / "b.mp3")
    assert len(files) == 5

    def checked(path: Path) -> bytes:
        crc = ["-err_detect", "crccheck+explode", "-xerror"]
        return make(tmp_path / "a.raw", *crc, "-i", str(path), "-f", "s16le").read_bytes()

    for decode in (pcm_by_mpg123, checked):
        assert b"".join(decode(file) for file in files) == decode(source)
    frame = frames_of(files[1])[5]
    other = frame[:7] + bytes((frame[7] ^ 0x10,)) + frame[8:]  # a private bit
    files[1].write_bytes(files[1].read_bytes().replace(frame, other))
    with pytest.raises(subprocess.CalledProcessError):  # it does check
        checked(files[1])
