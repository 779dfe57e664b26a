"""A picture of the video as the cover, next to ffmpeg's own picture of that time."""

import json
import random
import struct
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mutagen.id3 import ID3

from tests.engine.converting import make
from tests.media import CORPUS
from tests.servers import require_program
from video2mp3.engine import FileSource, Limits, Options, Report, convert
from video2mp3.engine.child.decoding.media import Media
from video2mp3.engine.child.pictures.frame import picture_at
from video2mp3.engine.child.pictures.jpeg import MAX_SIDE
from video2mp3.engine.source import SourceFile
from video2mp3.errors import EngineCrashed, MediaError, NoAudio, NoPicture, Video2mp3Error

COLOURS = ("red", "green", "blue", "yellow", "0x204060", "white")
"""One a second; the quarter at the top left is black, so that it shows how the picture is turned."""
SOUND = ("-f", "lavfi", "-i", "sine=d=6")
ACROSS = 16
TOLERANCE = 6
"""Of 255. Two scalers and a JPEG lie between."""


def colours(size: str = "160x90", rate: int = 10, more: str = "") -> list[str]:
    """A video of six seconds, as an input of ffmpeg."""
    parts = "".join(f"color=c={c}:s={size}:r={rate}:d=1[c{n}];" for n, c in enumerate(COLOURS))
    joined = "".join(f"[c{n}]" for n in range(len(COLOURS))) + f"concat=n={len(COLOURS)}:v=1"
    return ["-f", "lavfi", "-i", f"{parts}{joined},drawbox=w=iw/2:h=ih/2:color=black:t=fill,format=yuv420p{more}"]


H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25")
VIDEOS: dict[str, list[str]] = {
    "h264.mp4": [*colours(), *SOUND, *H264],
    "fragmented.mp4": [*colours(), *SOUND, *H264, "-movflags", "frag_keyframe+empty_moov"],
    "h264.flv": [*colours(), *SOUND, *H264],
    "h264.ts": [*colours(), *SOUND, *H264],
    "bt709.mkv": [
        *colours("1280x720", 5, ",scale=out_color_matrix=bt709"),
        *SOUND,
        *("-c:v", "libx264", "-preset", "ultrafast", "-colorspace", "bt709", "-g", "100"),
    ],
    "full_range.mov": [*colours(), *SOUND, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"],
    "ten_bits.mkv": [*colours(), *SOUND, "-c:v", "libx265", "-x265-params", "log-level=error", "-pix_fmt", "yuv420p10"],
    "vp9.webm": [*colours(), *SOUND, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libopus"],
    "mpeg4.avi": [*colours(), *SOUND, "-c:v", "mpeg4", "-bf", "2", "-c:a", "mp3"],
    "anamorphic.ts": [*colours("360x288", 25), *SOUND, "-c:v", "mpeg2video", "-bf", "2", "-aspect", "16:9"],
    "rgb.avi": [*colours(), *SOUND, "-c:v", "rawvideo", "-pix_fmt", "bgr24"],
}
TURNS = {
    "90": (0, 1, -1, 0),
    "180": (-1, 0, 0, -1),
    "270": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
    "upside down": (1, 0, 0, -1),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


def video(folder: Path, name: str) -> Path:
    return folder / name if (folder / name).exists() else make(folder / name, *VIDEOS[name])


def turned(path: Path, target: Path, a: int, b: int, c: int, d: int) -> Path:
    """An MP4 whose video is to be turned by this matrix."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    target.write_bytes(data)
    return target


def outcome_of(path: Path, limits: Limits = Limits(), **options: Any) -> Report | Video2mp3Error:  # noqa: B008 frozen
    with FileSource(path) as source, tempfile.TemporaryFile() as sink:
        try:
            return convert(source, sink, Options(**options), limits=limits)
        except Video2mp3Error as error:
            return error


def cover_of(path: Path, at_s: float, target: Path, **options: Any) -> Path:
    """Converts; returns the MP3, whose picture ffmpeg takes out of it."""
    with FileSource(path) as source, target.open("wb") as sink:
        convert(source, sink, Options(cover_at_s=at_s, **options))
    found: Any = ID3(target)  # type: ignore[no-untyped-call]
    (cover,) = found.getall("APIC")
    assert (cover.mime, cover.type) == ("image/jpeg", 3)
    assert b"Lavc" not in cover.data
    return target


def pixels(*shots: tuple[Path, float]) -> list[list[int]]:
    """Pictures of files at these times as ffmpeg sees them, upright, in 16 × 16 colours."""
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = [], []
        for number, (path, at_s) in enumerate(shots):
            inputs += ["-i", str(path)]
            outputs += ["-map", f"{number}:v:0", "-ss", str(at_s), "-frames:v", "1"]
            outputs += ["-vf", f"scale={ACROSS}:{ACROSS}:flags=area,format=rgb24"]
            outputs += ["-f", "rawvideo", f"{folder}/{number}"]
        subprocess.run([require_program("ffmpeg"), "-v", "error", *inputs, *outputs], check=True)
        return [list(Path(folder, str(number)).read_bytes()) for number in range(len(shots))]


def difference(ours: list[int], theirs: list[int]) -> int:
    """The largest, apart from the border of the black quarter."""
    assert len(ours) == len(theirs) == ACROSS * ACROSS * 3
    edge = (ACROSS // 2 - 1, ACROSS // 2)
    inside = [n for n in range(len(ours)) if n // 3 % ACROSS not in edge and n // 3 // ACROSS not in edge]
    return max(abs(ours[n] - theirs[n]) for n in inside)


def size_of(path: Path) -> tuple[int, int]:
    command = [require_program("ffprobe"), "-v", "error", "-select_streams", "v"]
    command += ["-show_entries", "stream=width,height", "-of", "json"]
    found = json.loads(subprocess.run([*command, str(path)], check=True, capture_output=True).stdout)["streams"][0]
    return found["width"], found["height"]


@pytest.mark.parametrize("name", VIDEOS)
def test_the_cover_is_what_the_video_shows_then(name: str, folder: Path, tmp_path: Path) -> None:
    path = video(folder, name)
    times = (0.0, 2.55, 5.5)
    covers = [(cover_of(path, at_s, tmp_path / f"{at_s}.mp3", end_s=0.5), 0.0) for at_s in times]
    found = pixels(*covers, *((path, at_s) for at_s in times))
    for cover, shown in zip(found[:3], found[3:], strict=True):
        assert difference(cover, shown) <= TOLERANCE
    assert len({tuple(cover[-3:]) for cover in found[:3]}) == 3


@pytest.mark.parametrize("turn", TURNS)
def test_the_cover_is_upright(turn: str, folder: Path, tmp_path: Path) -> None:
    path = turned(video(folder, "h264.mp4"), tmp_path / "turned.mp4", *TURNS[turn])
    cover = cover_of(path, 2.5, tmp_path / "a.mp3", end_s=0.5)
    assert size_of(cover) == ((90, 160) if turn in ("90", "270") else (160, 90))
    black = {"90": "top right", "180": "bottom right", "270": "bottom left", "mirrored": "top right"}
    found, shown = pixels((cover, 0), (path, 2.5))
    assert black_quarter(found) == black.get(turn, "bottom left")
    if turn.isdigit():  # older ones of ffmpeg do not mirror
        assert difference(found, shown) <= TOLERANCE


def black_quarter(found: list[int]) -> str:
    def blue(x: int, y: int) -> int:
        return found[3 * (ACROSS * y + x) + 2]

    places = {"top left": (3, 3), "top right": (12, 3), "bottom left": (3, 12), "bottom right": (12, 12)}
    (black,) = [name for name, place in places.items() if blue(*place) < TOLERANCE]
    return black


def test_pixels_become_square_and_large_pictures_small(folder: Path, tmp_path: Path) -> None:
    assert size_of(cover_of(video(folder, "anamorphic.ts"), 1, tmp_path / "a.mp3")) == (512, 288)
    assert size_of(cover_of(video(folder, "bt709.mkv"), 1, tmp_path / "b.mp3")) == (MAX_SIDE, 562)
    assert size_of(cover_of(video(folder, "h264.mp4"), 1, tmp_path / "c.mp3")) == (160, 90)


def test_the_sound_is_the_same_as_without(folder: Path, tmp_path: Path) -> None:
    path = video(folder, "h264.ts")
    for options in ({}, {"start_s": 1.0}, {"loudness_lufs": -20}):
        cover_of(path, 3, tmp_path / "with.mp3", **options)
        with FileSource(path) as source, (tmp_path / "without.mp3").open("wb") as sink:
            convert(source, sink, Options(cover="none", **options))
        without, with_cover = ((tmp_path / f"{name}.mp3").read_bytes() for name in ("without", "with"))
        audio = without[4096:]  # the tag is that long without a cover
        assert len(audio) > 30_000
        assert with_cover.endswith(audio)


class InMemory:
    """A source without a descriptor: the child asks for its ranges."""

    name = "memory.mp4"

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size_bytes = len(data)

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        return self._data[offset_bytes : offset_bytes + size_bytes]


def test_a_source_of_ranges_gives_the_same_cover(folder: Path, tmp_path: Path) -> None:
    path = video(folder, "h264.mp4")
    cover_of(path, 3.5, tmp_path / "a.mp3")
    with (tmp_path / "b.mp3").open("wb") as sink:
        convert(InMemory(path.read_bytes()), sink, Options(cover_at_s=3.5, title="a"))
    cover_of(path, 3.5, tmp_path / "a.mp3", title="a")
    assert (tmp_path / "a.mp3").read_bytes() == (tmp_path / "b.mp3").read_bytes()


# -- where there is none --------------------------------------------------------------------------------

NONE: dict[str, tuple[list[str], float, str]] = {
    "sound.wav": (["-f", "lavfi", "-i", "sine=d=1"], 0, "no video"),
    "beyond.mp4": (VIDEOS["h264.mp4"], 6.5, "at 6.5 s: it ends before"),
    "far_beyond.webm": (VIDEOS["vp9.webm"], 5000, "at 5000 s: it ends before"),
    "unknown.mkv": ([*colours(), *SOUND, "-c:v", "zmbv"], 1, "not decoded here (zmbv)"),
}


@pytest.mark.parametrize("name", NONE)
def test_where_there_is_no_picture_the_error_says_why(name: str, tmp_path: Path) -> None:
    arguments, at_s, why = NONE[name]
    path = make(tmp_path / name, *arguments)
    error = outcome_of(path, cover_at_s=at_s)
    assert isinstance(error, NoPicture)
    assert why in error.detail
    assert isinstance(outcome_of(path), Report)


def test_a_picture_that_is_attached_is_no_video(tmp_path: Path) -> None:
    picture = make(tmp_path / "a.png", "-f", "lavfi", "-i", "testsrc=s=64x64", "-frames:v", "1")
    inputs = ["-f", "lavfi", "-i", "sine=d=1", "-i", str(picture), "-map", "0", "-map", "1"]
    song = make(tmp_path / "a.m4a", *inputs, "-c:a", "aac", "-c:v", "copy", "-disposition:v", "attached_pic")
    assert isinstance(outcome_of(song, cover_at_s=0), NoPicture)


def test_a_last_picture_that_stays_is_shown_to_the_end_of_the_sound(folder: Path, tmp_path: Path) -> None:
    inputs = [*colours(), "-f", "lavfi", "-i", "sine=d=9"]
    path = make(tmp_path / "a.mp4", *inputs, *H264)
    (found,) = pixels((cover_of(path, 8.5, tmp_path / "a.mp3"), 0))
    assert tuple(found[-3:]) == (255, 255, 255)
    assert isinstance(outcome_of(path, cover_at_s=9.5), NoPicture)


def test_before_the_first_picture_the_first_is_taken(tmp_path: Path) -> None:
    late = ["-itsoffset", "2", *colours(), *SOUND]
    path = make(tmp_path / "late.mkv", *late, *H264)
    found, shown = pixels((cover_of(path, 1, tmp_path / "a.mp3"), 0), (path, 0))
    assert difference(found, shown) <= TOLERANCE


def test_a_picture_too_far_from_a_key_frame_is_not_decoded_for_ever(tmp_path: Path) -> None:
    source = ["-f", "lavfi", "-i", "color=s=16x16:r=5000:d=4.2", "-f", "lavfi", "-i", "sine=d=4.2"]
    path = make(tmp_path / "a.mp4", *source, "-c:v", "libx264", "-preset", "ultrafast", "-g", "100000")
    error = outcome_of(path, cover_at_s=4.15)
    assert isinstance(error, NoPicture)
    assert "key frame" in error.detail
    assert isinstance(outcome_of(path, cover_at_s=1), Report)


def test_the_search_tells_that_it_goes_on(folder: Path) -> None:
    """It should not run into the limit of no progress, however slow the machine."""
    data = video(folder, "h264.mp4").read_bytes()
    file = SourceFile(lambda offset, size: data[offset : offset + size], len(data))

    def open_media() -> Media:
        file.seek(0)
        return Media(file, len(data))

    told: list[int] = []
    picture_at(open_media, 2.4, told.append)
    assert told == sorted(told)
    assert told[-1] > 3


def test_a_video_of_8k_fits_into_the_memory(tmp_path: Path) -> None:
    source = ["-f", "lavfi", "-i", "color=c=green:s=7680x4320:r=5:d=0.6", "-f", "lavfi", "-i", "sine=d=1"]
    path = make(tmp_path / "a.mp4", *source, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
    assert size_of(cover_of(path, 0.4, tmp_path / "a.mp3")) == (MAX_SIDE, 562)


# -- what was made to harm ------------------------------------------------------------------------------


def with_size(data: bytes, mark: bytes, offset: int, size: bytes) -> bytes:
    """Writes a size after every mark."""
    changed, at = bytearray(data), data.find(mark)
    assert at > 0
    while at > 0:
        changed[at + offset : at + offset + len(size)] = size
        at = data.find(mark, at + 1)
    return bytes(changed)


RAW = ["-c:v", "rawvideo", "-pix_fmt", "yuv420p"]
Resize = Callable[[bytes, int, int], bytes]
ABSURD: dict[str, tuple[list[str], Resize]] = {
    "raw.avi": (RAW, lambda data, w, h: with_size(data, b"strf(", 12, struct.pack("<II", w, h))),
    "jpegs.avi": (
        ["-c:v", "mjpeg"],
        lambda data, w, h: with_size(data, b"\xff\xc0\x00\x11", 5, struct.pack(">HH", h & 0xFFFF, w & 0xFFFF)),
    ),
    "pngs.mkv": (["-c:v", "png"], lambda data, w, h: with_size(data, b"IHDR", 4, struct.pack(">II", w, h))),
}


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_sizes_have_a_clear_code(name: str, tmp_path: Path) -> None:
    how, resize = ABSURD[name]
    path = make(tmp_path / name, *colours("64x48"), *SOUND, *how)
    assert isinstance(outcome_of(path, cover_at_s=0.5), Report)
    data = path.read_bytes()
    for size in ((0, 0), (16384, 16384), (60000, 60000), (2**31 - 1, 2**31 - 1)):
        path.write_bytes(resize(data, *size))
        error = outcome_of(path, cover_at_s=0.5)
        assert isinstance(error, NoPicture), (size, error)


@pytest.mark.parametrize("name", ["h264.mp4", "h264.ts", "vp9.webm", "mpeg4.avi", "full_range.mov", "anamorphic.ts"])
def test_damaged_videos_end_in_an_mp3_or_a_code(name: str, folder: Path, tmp_path: Path) -> None:
    data = video(folder, name).read_bytes()
    for seed in range(4):
        chance, damaged = random.Random(seed), bytearray(data)
        for _ in range(chance.randint(1, 200)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (tmp_path / name).write_bytes(damaged)
        outcome = outcome_of(tmp_path / name, Limits(wall_clock_s=30), cover_at_s=2.5)
        assert isinstance(outcome, Report | MediaError | EngineCrashed), outcome


ENTRIES: list[dict[str, Any]] = json.loads((CORPUS / "corpus.json").read_text()) if CORPUS.exists() else []


def test_every_file_of_the_corpus_ends_with_its_cover_or_a_code() -> None:
    """Half a second of each, to find the files where the picture makes a difference."""

    def outcome(entry: dict[str, Any]) -> Report | Video2mp3Error:
        return outcome_of(CORPUS / "corpus" / entry["path"], Limits(threads=1), cover_at_s=0.0, end_s=0.5)

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(outcome, ENTRIES))
    allowed = Report | MediaError
    assert {entry["path"]: o for entry, o in zip(ENTRIES, outcomes, strict=True) if not isinstance(o, allowed)} == {}
    with_video = [o for entry, o in zip(ENTRIES, outcomes, strict=True) if entry["has_video"]]
    assert sum(isinstance(o, Report) for o in with_video) >= min(30, len(with_video))
    assert sum(isinstance(o, NoAudio) for o in with_video) >= min(10, len(with_video))
