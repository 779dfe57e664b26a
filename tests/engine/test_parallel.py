"""One file on several threads."""

import hashlib
import threading
import time
from pathlib import Path

import pytest

from tests.engine.test_stitch import sound
from tests.options import resolved
from video2mp3.engine import FileSource, Limits, Options, Report, convert
from video2mp3.engine.child.audio.encode import settings_for
from video2mp3.engine.child.audio.parallel import Chunking, EncoderPool, ParallelEncoder, chunking_for
from video2mp3.engine.child.conversion.conversion_job import ConversionJob
from video2mp3.engine.child.conversion.pipeline import Pipeline
from video2mp3.engine.child.decoding.media import Media
from video2mp3.engine.mp3.encoder_settings import EncoderSettings
from video2mp3.engine.mp3.frames import samples_per_frame
from video2mp3.engine.source import SourceFile

CD = settings_for(44100, 2, 128, None)
TINY = Chunking(7, 5)
FRAME_BYTES = 4 * 1152


def sha256(settings: EncoderSettings, pcm: bytes, threads: int, block_bytes: int) -> str:
    with EncoderPool(threads) as pool:
        encoder = ParallelEncoder(settings, pool, TINY)
        digest = hashlib.sha256()
        for start in range(0, len(pcm), block_bytes):
            for mp3 in encoder.encode(pcm[start : start + block_bytes]):
                digest.update(mp3)
        for mp3 in encoder.finish():
            digest.update(mp3)
    return digest.hexdigest()


SEVERAL = [
    CD,
    settings_for(44100, 2, 192, None),
    settings_for(48000, 2, 320, None),
    settings_for(48000, 2, None, 2),
    settings_for(22050, 1, None, None, 48),
]


@pytest.mark.parametrize("settings", SEVERAL)
def test_the_bytes_depend_neither_on_the_threads_nor_on_the_blocks(settings: EncoderSettings) -> None:
    pcm = sound(150 * samples_per_frame(settings.sample_rate_hz) + 77, settings.channels, 3)
    found = {sha256(settings, pcm, threads, block) for threads, block in ((1, 1000), (2, 65536), (3, 9996), (8, 10**9))}
    assert len(found) == 1


@pytest.mark.parametrize(
    ("frames", "chunks"), [(0, 1), (12, 1), (12 + 1 / 1152, 2), (19, 2), (19 + 1 / 1152, 3), (26, 3)]
)
def test_a_chunk_begins_where_the_one_before_has_its_overlap(frames: float, chunks: int) -> None:
    with EncoderPool(2) as pool:
        encoder = ParallelEncoder(CD, pool, TINY)
        list(encoder.encode(bytes(round(frames * 1152) * 4)))
        list(encoder.finish())
    assert len(encoder.stitcher.seams) == chunks - 1


def test_what_waits_for_an_encoder_is_bounded() -> None:
    with EncoderPool(2) as pool:
        released = threading.Event()
        for _ in range(2):
            pool.submit(released.wait)
        encoder = ParallelEncoder(CD, pool, TINY)
        given, waited = 0, False
        while not waited and given < 100:
            given += 1
            for mp3 in encoder.encode(bytes(7 * FRAME_BYTES)):
                waited = waited or mp3 == b""
                released.set()
        assert given <= 2 + 1 + 3  # a chunk for each thread, one that waits, one that is being cut, and its overlap
        assert b"".join(encoder.finish())


def test_an_error_in_an_encoder_is_raised_and_nothing_hangs() -> None:
    with EncoderPool(2) as pool:
        encoder = ParallelEncoder(EncoderSettings(44100, 17, 128, None), pool, TINY)
        with pytest.raises((RuntimeError, ValueError)):
            list(encoder.encode(bytes(1_700_000)))


def test_leaving_a_pool_drops_what_has_not_begun() -> None:
    with EncoderPool(1) as pool:
        begun = threading.Event()
        working = pool.submit(lambda: begun.set() or time.sleep(0.2))  # type: ignore[func-returns-value]
        begun.wait()
        waiting = [pool.submit(lambda: 1) for _ in range(5)]
    assert working.done()
    assert all(future.cancelled() for future in waiting)


def test_its_threads_exist_before_there_is_work() -> None:
    before = threading.active_count()
    with EncoderPool(3):
        assert threading.active_count() == before + 3
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("settings", "chunking"),
    [
        (settings_for(48000, 2, 192, None), Chunking(1225, 35, growth=2, last_frames=490)),
        (settings_for(44100, 2, None, 4), Chunking(1225, 35, growth=2, last_frames=490)),
        (settings_for(48000, 1, 64, None), Chunking(2450, 70, last_frames=490)),
        (settings_for(22050, 1, 64, None), Chunking(2450, 70, growth=2, last_frames=980)),
        (settings_for(24000, 2, 8, None), Chunking(4900, 980, last_frames=1960)),
    ],
)
def test_the_fewer_bits_the_longer_the_overlap(settings: EncoderSettings, chunking: Chunking) -> None:
    assert chunking_for(settings) == chunking


def test_chunks_grow_and_the_rest_is_cut_small() -> None:
    with EncoderPool(1) as pool:
        encoder = ParallelEncoder(settings_for(8000, 1, 8, None), pool, Chunking(6, 2, growth=3, last_frames=4))
        list(encoder.encode(bytes(2 * 576 * (8 * 6 + 2 * 18 + 15))))
        list(encoder.finish())
    starts = [6, 12, 18, 24, 30, 36, 42, 48, 66, 70, 74, 78, 82, 86, 90, 94]
    assert len(encoder.stitcher.seams) == len(starts)
    assert all(0 < at - start < 2 + 1 for start, (at, _) in zip(starts, encoder.stitcher.seams, strict=True))


@pytest.fixture(scope="module")
def two_minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "a.wav"
    pcm = sound(44100 * 120, 1, 8)
    head = (
        b"RIFF"
        + (len(pcm) + 36).to_bytes(4, "little")
        + b"WAVEfmt "
        + bytes.fromhex("10000000 0100 0100 44ac0000 88580100 0200 1000")
    )
    path.write_bytes(head + b"data" + len(pcm).to_bytes(4, "little") + pcm)
    return path


def converted(path: Path, threads: int) -> Report:
    with FileSource(path) as source, path.with_suffix(".mp3").open("wb") as sink:
        return convert(source, sink, Options(bitrate_kbps=128), limits=Limits(threads=threads))


def test_a_whole_conversion_has_the_same_bytes_on_any_number_of_threads(two_minutes: Path) -> None:
    reports = [converted(two_minutes, threads) for threads in (1, 2, 3, 8)]
    assert len({report.sha256 for report in reports}) == 1
    assert {report.samples for report in reports} == {44100 * 120}


def test_progress_goes_on_while_the_last_chunks_are_encoded(two_minutes: Path, tmp_path: Path) -> None:
    data = two_minutes.read_bytes()
    media = Media(SourceFile(lambda offset, size: data[offset : offset + size], len(data)), len(data))
    with (tmp_path / "a.mp3").open("w+b") as sink, EncoderPool(1) as pool:
        work = ConversionJob(lambda: media, sink.fileno(), resolved(bitrate_kbps=128), "a.wav", 1e6, pool)
        done = list(Pipeline(media, work).run())
    assert done == sorted(done)
    assert done[-1] == pytest.approx(120)
    assert sum(20 < seconds < 119 for seconds in done) >= 2  # decoding alone is a tenth of the work
