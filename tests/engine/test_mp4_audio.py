"""The sound of an MP4 alone becomes the same MP3 as the whole file; what is no such MP4 is left to the decoder."""

import random
from pathlib import Path

import pytest

from tests.engine.converting import converted, make
from tests.media import corpus_file, make_video
from video2mp3.engine.containers.mp4_audio import find_audio
from video2mp3.engine.mp4_extract import Mp4Extract
from video2mp3.errors import Video2mp3Error

NOISE = ("-f", "lavfi", "-i", "color=gray:s=320x180:r=25:d=6,noise=alls=100:allf=t+u")
SOUND = ("-f", "lavfi", "-i", "sine=frequency=330:beep_factor=4:duration=6")
CODECS = ("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac")
FLAGS = ("-disposition:a:0", "comment", "-metadata:s:a:0", "title=Director", "-disposition:a:1", "default")
CHAPTERS = ";FFMETADATA1\ntitle=A talk\nartist=Ada\n" + "".join(
    f"[CHAPTER]\nTIMEBASE=1/1\nSTART={start}\nEND={start + 3}\ntitle=Part {start}\n" for start in (0, 3)
)


def sound_of(content: bytes) -> tuple[Mp4Extract | None, int]:
    """What is found, and how many bytes were read for that."""
    read_bytes = 0

    def read(offset_bytes: int, size_bytes: int) -> bytes:
        nonlocal read_bytes
        read_bytes += size_bytes
        return content[offset_bytes : offset_bytes + size_bytes]

    return find_audio(read, len(content)), read_bytes


def written(sound: Mp4Extract, content: bytes) -> bytes:
    made = sound.head + b"".join(content[offset : offset + size] for offset, size in sound.ranges)
    assert len(made) == sound.size_bytes
    return made


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video that is much larger than its sound, with tags and chapters; the index is at its end."""
    folder = tmp_path_factory.mktemp("noisy")
    (folder / "chapters.txt").write_text(CHAPTERS)
    text = ("-i", str(folder / "chapters.txt"), "-map", "0:v", "-map", "1:a", "-map_metadata", "2")
    return make(folder / "end.mp4", *NOISE, *SOUND, *text, *CODECS)


@pytest.mark.parametrize(
    "kind", ["end.mp4", "front.mp4", "edited.mp4", "front.mov", "two.mp4", "flags.mp4", "late.mp4"]
)
def test_the_sound_alone_becomes_the_same_mp3(kind: str, noisy: Path, tmp_path: Path) -> None:
    """It should have the same bytes, tags and chapters among them, out of a fraction of the file."""
    arguments = {
        "end.mp4": ("-i", str(noisy), "-c", "copy", "-map", "0:v", "-map", "0:a"),
        "front.mp4": ("-i", str(noisy), "-c", "copy", "-map", "0:v", "-map", "0:a", "-movflags", "+faststart"),
        "edited.mp4": ("-ss", "1.3", "-i", str(noisy), "-c", "copy", "-map", "0:v", "-map", "0:a"),
        "front.mov": ("-i", str(noisy), "-c", "copy", "-map", "0:v", "-map", "0:a", "-movflags", "+faststart"),
        "two.mp4": ("-i", str(noisy), "-c", "copy", "-map", "0:v", "-map", "0:a", "-map", "0:a"),
        "flags.mp4": ("-i", str(noisy), "-c", "copy", "-map", "0:v", "-map", "0:a", "-map", "0:a", *FLAGS),
        "late.mp4": ("-itsoffset", "0.5", "-i", str(noisy), "-c", "copy", "-map", "0:v", "-map", "0:a"),
    }
    file = make(tmp_path / kind, *arguments[kind])
    content = file.read_bytes()
    sound, read_bytes = sound_of(content)
    assert sound is not None
    assert read_bytes + sound.size_bytes < len(content) / 4
    alone = tmp_path / "alone" / kind
    alone.parent.mkdir()
    alone.write_bytes(written(sound, content))
    options = {"track": "all"} if kind == "two.mp4" else {}
    whole_report = converted(file, tmp_path / "whole.mp3", **options)
    report = converted(alone, tmp_path / "alone.mp3", **options)
    assert (tmp_path / "alone.mp3").read_bytes() == (tmp_path / "whole.mp3").read_bytes()
    assert (report.samples, report.tracks, report.warnings) == (
        whole_report.samples,
        whole_report.tracks,
        whole_report.warnings,
    )
    assert report.track == (2 if kind == "flags.mp4" else 1)
    if kind == "end.mp4":
        assert b"Part 3" in (tmp_path / "alone.mp3").read_bytes()[:2000]


def test_other_files_are_left_as_they_are(noisy: Path, tmp_path: Path) -> None:
    """It should be so with other containers, fragments, samples of one length, and anything cut short."""
    copied = ("-i", str(noisy), "-c", "copy", "-map", "0:v", "-map", "0:a")
    others = {
        "fragments": make(tmp_path / "f.mp4", *copied, "-movflags", "+frag_keyframe+empty_moov").read_bytes(),
        "matroska": make(tmp_path / "m.mkv", *copied).read_bytes(),
        "pcm": make_video(tmp_path / "p.mov", 2, audio=("-c:a", "pcm_s16le")).read_bytes(),
        "silent": make(
            tmp_path / "s.mp4", "-i", str(noisy), "-c", "copy", "-map", "0:v", "-map_chapters", "-1"
        ).read_bytes(),
        "nothing": b"",
        "letter": b"This is a letter, not a video." * 100,
        "cut": noisy.read_bytes()[:-1],
    }
    found = {name: sound_of(content)[0] for name, content in others.items()}
    assert found == dict.fromkeys(others)


def test_the_files_of_the_corpus_sound_the_same(tmp_path: Path) -> None:
    """It should also be so with what other programs have written: the same bytes, or the same error."""

    def outcome(path: Path) -> tuple[str, bytes]:
        try:
            converted(path, tmp_path / "made.mp3", track="all")
        except Video2mp3Error as error:
            return error.code, b""
        return "", (tmp_path / "made.mp3").read_bytes()

    compared = 0
    for file in sorted(corpus_file("mp4").iterdir()):
        content = file.read_bytes()
        sound, _ = sound_of(content)
        if sound is not None:
            alone = tmp_path / file.name
            alone.write_bytes(written(sound, content))
            assert outcome(alone) == outcome(file), file.name
            compared += 1
    assert compared >= 20


def test_no_index_leads_outside_of_the_file_or_astray(noisy: Path) -> None:
    """It should find something sound, or nothing, and never fail, whatever bytes of the index are changed."""
    content = noisy.read_bytes()
    index = content.rindex(b"moov") - 4
    generator = random.Random(3)
    outcomes = set()
    mutated = bytearray(content)
    for _ in range(1000):
        mutated[index:] = content[index:]
        for _ in range(generator.choice((1, 1, 2, 8))):
            place = generator.randrange(index, len(content))
            mutated[place] = generator.choice((0, 1, 0x7F, 0xFF, generator.randrange(256)))
        sound = find_audio(lambda offset, size: bytes(mutated[offset : offset + size]), len(mutated))
        outcomes.add(sound is None)
        if sound is not None:
            assert all(0 <= offset <= offset + size <= len(content) for offset, size in sound.ranges)
            assert sound.size_bytes <= 2 * len(content)
    assert outcomes == {True, False}
