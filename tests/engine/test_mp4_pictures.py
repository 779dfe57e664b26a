"""The index of an MP4's pictures is shortened, and nothing else changes."""

import random
from pathlib import Path

import pytest

from tests.engine.converting import make
from tests.media import corpus_file
from video2mp3.engine.child.decoding.media import Media
from video2mp3.engine.containers.mp4_pictures import KEPT_PICTURES, shortened_picture_indexes
from video2mp3.engine.source import SourceFile

SECONDS = 240
PICTURES = ("-f", "lavfi", "-i", f"color=size=64x36:rate=25:duration={SECONDS}")
SOUND = ("-f", "lavfi", "-i", f"sine=frequency=330:duration={SECONDS}")
CODECS = ("-c:v", "mpeg4", "-bf", "2", "-c:a", "aac")


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert SECONDS * 25 > KEPT_PICTURES
    return make(tmp_path_factory.mktemp("long") / "end.mp4", *PICTURES, *SOUND, *CODECS)


def shortened(content: bytes) -> list[tuple[int, bytes]]:
    return shortened_picture_indexes(lambda at, size: content[at : at + size], len(content))


def opened(content: bytes, replaced: list[tuple[int, bytes]]) -> Media:
    file = SourceFile(lambda at, size: content[at : at + size], len(content))
    file.replaced = replaced
    return Media(file, len(content))


@pytest.mark.parametrize("arguments", [(), ("-movflags", "+faststart"), ("-itsoffset", "11")])
def test_only_the_pictures_are_fewer(arguments: tuple[str, ...], long: Path, tmp_path: Path) -> None:
    """It should leave the times, the tracks and the packets of the sound as they are."""
    before, after = (arguments, ()) if "-itsoffset" in arguments else ((), arguments)
    content = make(tmp_path / "made.mp4", *before, "-i", str(long), "-c", "copy", *after).read_bytes()
    found = []
    for replaced in ([], shortened(content)):
        media = opened(content, replaced)
        video = media.video_stream
        assert video is not None
        pictures = len(video.index_entries)
        facts = (
            media.tracks,
            media.duration_s,
            media._container.start_time,
            media.has_video,
            media.chapters,
            media.tags,
        )
        times = (video.start_time, video.duration, video.time_base, video.codec_context.name)
        packets = [(packet.pts, packet.dts, bytes(packet)) for packet in media.decoder(0).packets()]
        found.append((pictures, facts, times, packets))
    assert found[0][1:] == found[1][1:]
    assert len(found[0][3]) > 5000
    assert found[0][0] == SECONDS * 25
    assert KEPT_PICTURES <= found[1][0] < KEPT_PICTURES + 100


def test_short_files_and_other_containers_stay_as_they_are(long: Path, tmp_path: Path) -> None:
    short = make(tmp_path / "short.mp4", "-i", str(long), "-t", "10", "-c", "copy").read_bytes()
    others = [short, b"", b"RIFF", make(tmp_path / "m.mkv", "-i", str(long), "-c", "copy").read_bytes()]
    assert [shortened(content) for content in others] == [[]] * len(others)
    assert [file.name for file in corpus_file("mp4").iterdir() if shortened(file.read_bytes())] == []
    assert len(shortened(long.read_bytes())) == 2


def test_no_index_makes_it_fail_or_replace_bytes_outside_of_the_file(long: Path) -> None:
    content = long.read_bytes()
    index = content.rindex(b"moov") - 4
    generator = random.Random(4)
    outcomes = set()
    for _ in range(300):
        mutated = bytearray(content)
        for _ in range(generator.choice((1, 8, 64))):
            mutated[generator.randrange(index, index + 4000)] = generator.choice((0, 1, 0x7F, 0xFF))
        replaced = shortened(bytes(mutated))
        outcomes.add(len(replaced))
        assert all(index < at <= len(content) - len(new) for at, new in replaced)
    assert outcomes == {0, 2}


@pytest.mark.parametrize("size_bytes", [1, 2, 3, 4, 5, 100])
def test_replaced_bytes_are_read_however_the_reads_are_cut(size_bytes: int) -> None:
    file = SourceFile(lambda at, size: bytes(50)[at : at + size], 50)
    file.replaced = [(10, b"abcd"), (14, b"ef"), (47, b"xyz")]
    read = b"".join(iter(lambda: file.read(size_bytes), b""))
    assert read == bytes(10) + b"abcdef" + bytes(31) + b"xyz"
    assert file.look_at(0, 50) == bytes(50)
