"""Only the samples of the converted track are read from a local MP4, and what comes out stays the same."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine.converting import make
from tests.engine.sounds import BytesSource
from tests.media import corpus_file
from video2mp3.engine import FileSource, Options, convert
from video2mp3.engine.child.decoding.media import Media
from video2mp3.engine.child.decoding.sample_reader import SampleReader, sample_reader
from video2mp3.engine.source import SourceFile
from video2mp3.errors import Video2mp3Error

NOISE = ("-f", "lavfi", "-i", "color=gray:s=480x270:r=25:d=8,noise=alls=100:allf=t+u")
SOUND = ("-f", "lavfi", "-i", "anoisesrc=seed=1:amplitude=0.3:duration=8")
CODECS = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "10", "-c:a", "aac", "-ac", "2", "-b:a", "192k")
_PAGE_BYTES = 4096


@dataclass
class Sample:
    pos: int
    size: int


@dataclass
class Demuxed:
    """The packets of a file's track, or the error, and how much was read for that after the file was open."""

    packets: list[tuple[int | None, int | None, int | None, bytes]]
    error: str = ""
    read_bytes: int = 0
    audio_bytes: int = 0
    ranges: int = 0


def demuxed(content: bytes, prefetch: Callable[[int, int], None] | None, track: int = 0) -> Demuxed:
    found = Demuxed([])

    def read_at(offset_bytes: int, size_bytes: int) -> bytes:
        data = content[offset_bytes : offset_bytes + size_bytes]
        found.read_bytes += len(data)
        return data

    file = SourceFile(read_at, len(content), prefetch)
    try:
        media = Media(file, len(content))
        if track >= len(media.audio_streams):
            return found
        decoder = media.decoder(track)
        found.audio_bytes = sum(entry.size for entry in media.audio_streams[track].index_entries)
        found.read_bytes = 0
        for packet in decoder.packets():
            found.packets.append((packet.pts, packet.dts, packet.duration, bytes(packet)))
        media.close()
    except Video2mp3Error as error:
        found.error = error.code
    return found


def same(content: bytes, track: int = 0) -> tuple[Demuxed, Demuxed]:
    """Demuxes a file in both ways, and returns what each found."""
    announced: list[tuple[int, int]] = []
    sparse = demuxed(content, lambda offset, size: announced.append((offset, size)), track)
    plain = demuxed(content, None, track)
    assert (sparse.packets, sparse.error) == (plain.packets, plain.error)
    assert announced == sorted(set(announced))
    sparse.ranges = len(announced)
    return sparse, plain


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video with frames of 100 kB, a second sound track, and tracks that take turns at every frame."""
    file = make(tmp_path_factory.mktemp("noisy") / "end.mp4", *NOISE, *SOUND, "-map", "0:v", "-map", "1:a", *CODECS)
    assert file.stat().st_size > 10 * _PAGE_BYTES * 25
    return file


@pytest.mark.parametrize("kind", ["end.mp4", "front.mp4", "edited.mp4", "late.mp4", "two.mp4", "pcm.mov", "mp3.mp4"])
def test_little_more_than_the_samples_is_read(kind: str, noisy: Path, tmp_path: Path) -> None:
    """It should read at most a fifth more than the audio, with the same packets and time stamps."""
    copy = ("-c", "copy", "-map", "0:v", "-map", "0:a")
    arguments = {
        "end.mp4": ("-i", str(noisy), *copy),
        "front.mp4": ("-i", str(noisy), *copy, "-movflags", "+faststart"),
        "edited.mp4": ("-ss", "1.3", "-i", str(noisy), *copy),
        "late.mp4": ("-itsoffset", "0.5", "-i", str(noisy), *copy),
        "two.mp4": ("-i", str(noisy), *copy, "-map", "0:a"),
        "pcm.mov": ("-i", str(noisy), *copy, "-c:a", "pcm_s16le"),
        "mp3.mp4": ("-i", str(noisy), *copy, "-c:a", "libmp3lame"),
    }
    content = make(tmp_path / kind, *arguments[kind]).read_bytes()
    sparse, plain = same(content, track=int(kind == "two.mp4"))
    assert len(sparse.packets) > 50
    assert sparse.read_bytes <= 1.2 * sparse.audio_bytes
    assert plain.read_bytes > 5 * sparse.audio_bytes  # a control
    assert sparse.ranges > 50


def test_files_whose_samples_are_most_of_them_are_read_in_order(tmp_path: Path) -> None:
    sparse, plain = same(make(tmp_path / "sound.m4a", *SOUND, "-c:a", "aac").read_bytes())
    assert sparse.packets
    assert (sparse.ranges, sparse.read_bytes) == (0, plain.read_bytes)


def test_fragments_are_read_in_order(noisy: Path, tmp_path: Path) -> None:
    """Their index is complete only at the end."""
    fragments = ("-c", "copy", "-movflags", "+frag_keyframe+empty_moov")
    sparse, _ = same(make(tmp_path / "f.mp4", "-i", str(noisy), *fragments).read_bytes())
    assert sparse.packets
    assert sparse.ranges == 0


def test_the_files_of_the_corpus_have_the_same_packets() -> None:
    found = [same(file.read_bytes())[0] for file in sorted(corpus_file("mp4").iterdir())]
    assert sum(bool(each.packets) for each in found) >= 20
    assert sum(bool(each.ranges) for each in found) >= 3


def test_damaged_indexes_have_the_same_packets(noisy: Path) -> None:
    """It should not matter what a hostile index says: both ways read what libavformat understands."""
    content = noisy.read_bytes()
    index = content.rindex(b"moov") - 4
    generator = random.Random(5)
    mutated = bytearray(content)
    outcomes = set()
    for _ in range(60):
        mutated[index:] = content[index:]
        for _ in range(generator.choice((1, 2, 8))):
            place = generator.randrange(index, len(content))
            mutated[place] = generator.choice((0, 1, 0x7F, 0xFF, generator.randrange(256)))
        sparse, _ = same(bytes(mutated))
        outcomes.add((bool(sparse.packets), bool(sparse.ranges)))
    assert {(True, True), (True, False)} <= outcomes


def test_a_local_file_becomes_the_same_mp3_as_other_sources(noisy: Path, tmp_path: Path) -> None:
    """It should be so in the sandboxed child."""
    made = []
    with FileSource(noisy) as file:
        for source in (file, BytesSource(noisy.read_bytes())):
            with (tmp_path / "made.mp3").open("w+b") as sink:
                convert(source, sink, Options(title="noise"))
            made.append((tmp_path / "made.mp3").read_bytes())
    assert made[0] == made[1]


def reader(content: bytes, *samples: Sample) -> SampleReader | None:
    return sample_reader(lambda at, size: content[at : at + size], len(content), samples, lambda *_: None)


def test_between_two_samples_are_zeros_only_for_reads_that_go_on() -> None:
    """It should read what lies there for anybody who asks for that place first."""
    content = bytes(range(1, 251)) * 400
    found = reader(content, Sample(0, 100), Sample(50_000, 100))
    assert found is not None
    assert found.read_at(0, 1000) == content[:100]
    assert found.read_at(100, 30_000) == bytes(30_000)
    assert found.read_at(30_100, 30_000) == bytes(19_900)
    assert found.read_at(50_000, 30_000) == content[50_000:50_100]
    assert found.read_at(50_100, 10) == content[50_100:50_110]
    assert found.read_at(100, 10) == content[100:110]
    assert found.read_at(0, 1000) == content[:100]


def test_samples_in_another_order_are_not_skipped() -> None:
    """libavformat may go back within its buffer, and must not find zeros there."""
    content = bytes(100_000)
    assert reader(content, Sample(0, 100), Sample(50_000, 100)) is not None
    assert reader(content, Sample(50_000, 100), Sample(0, 100)) is None
    assert reader(content, Sample(0, 100), Sample(50, 100)) is None
    assert reader(content, Sample(-1, 100)) is None


def test_ranges_are_announced_before_they_are_needed() -> None:
    """It should be so each time they are read, in any order, and each range is read up to its end only."""
    announced: list[tuple[int, int]] = []
    samples = [Sample(start, 50_000) for start in range(0, 10**8, 100_000)]
    found = sample_reader(
        lambda at, size: bytes(size), 10**8, samples, lambda start, size: announced.append((start, size))
    )
    assert found is not None
    for sample in samples:
        assert len(found.read_at(sample.pos, 10**6)) == sample.size
        assert (sample.pos, sample.size) in announced
    assert len(announced) == len(samples)
    for sample in random.Random(2).sample(samples, 100):
        assert len(found.read_at(sample.pos + 10, 10**6)) == sample.size - 10


def test_small_gaps_are_read() -> None:
    content = b"x" * 10**6
    small = reader(content, Sample(0, 10), Sample(200, 10))
    assert small is not None
    assert small.read_at(0, 9000) == content[:210]
