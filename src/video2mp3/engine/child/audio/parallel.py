"""Encodes PCM on several threads. The output does not depend on the number of threads.

The PCM is cut into chunks at places that follow from its length only. Each goes through an encoder of its
own, a little beyond its end, and the stitcher joins what comes out.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeVar

from video2mp3.engine.child.audio.encode import Encoder
from video2mp3.engine.child.audio.pcm import BYTES_PER_SAMPLE
from video2mp3.engine.mp3.encoder_settings import EncoderSettings
from video2mp3.engine.mp3.frames import MPEG1_RATES_HZ, samples_per_frame
from video2mp3.engine.mp3.stitch import Stitcher

_WAIT_S = 0.2
"""How long to wait for an encoder before an empty block is yielded."""
_STACK_BYTES = 2 * 1024**2
_CHUNK_FRAMES = 1225
_LAST_FRAMES = 490
_SHORTER_CHUNKS = 8
_OVERLAP_FRAMES = 35
_OVERLAP_FACTORS = ((1.6, 1), (0.8, 2), (0.5, 4), (0.3, 7), (0.0, 14))
"""Minimum bits per sample, and the factor of the overlap."""

T = TypeVar("T")


@dataclass(frozen=True)
class Chunking:
    """How PCM is cut into chunks."""

    frames: int
    """From the start of a chunk to the start of the next; a multiple of 49, the cycle of padding at 44.1 kHz."""
    overlap: int
    """Frames that a chunk is encoded beyond that, two at least; in them the next one's encoder settles."""
    growth: int = 1
    """Factor for the length of the chunks after the first few: longer chunks have less overlap."""
    last_frames: int | None = None
    """Length of the chunks at the end, so that all threads end at about the same time."""

    def __post_init__(self) -> None:
        assert 2 <= self.overlap <= min(self.frames, self.last_frames or self.frames)

    def frames_of(self, number: int) -> int:
        """Returns the frames from the start of a chunk, counted from 0 on, to the start of the next."""
        return self.frames * (self.growth if number >= _SHORTER_CHUNKS else 1)

    def rest_of(self, number: int) -> int:
        """Returns the frames that must follow a chunk and its overlap; otherwise smaller chunks are cut.

        That is the length of the chunk, so that other threads have work during the last full-size chunk.
        """
        return self.frames_of(number) if self.last_frames else 0


def chunking_for(settings: EncoderSettings) -> Chunking:
    """Returns chunks of half a minute to a minute. The overlap is long enough for an encoder to reach its steady state.

    It begins with an empty bit reservoir. The fewer bits there are, the longer it takes until that has no effect on
    how many each frame gets; measured: a seam never cost 0.3 dB with these overlaps.
    """
    halves = 1 if settings.sample_rate_hz in MPEG1_RATES_HZ else 2  # frames of MPEG-2 have half the samples
    longer = next(factor for least, factor in _OVERLAP_FACTORS if _bits_per_sample(settings) >= least)
    overlap = _OVERLAP_FRAMES * halves * longer
    return Chunking(
        frames=_CHUNK_FRAMES * halves * min(longer, 2),
        overlap=overlap,
        growth=2 if longer == 1 else 1,
        last_frames=max(_LAST_FRAMES * halves, 2 * overlap),
    )


def _bits_per_sample(settings: EncoderSettings) -> float:
    """Returns the bits per sample of one channel; the second channel needs fewer."""
    kbps = settings.bitrate_kbps or settings.average_kbps
    if kbps is None:  # variable bitrate is not limited
        return math.inf
    return kbps * 1000 / settings.sample_rate_hz / (1.0 if settings.channels == 1 else 1.5)


class EncoderPool:
    """Threads that start before the sandbox is sealed, because no thread can start later.

    Use it in a with block; its end drops tasks that have not begun, and waits for the others.
    """

    def __init__(self, threads: int) -> None:
        self._tasks: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self.stopping = False
        before = threading.stack_size(_STACK_BYTES)
        self._threads = [threading.Thread(target=self._run, name=f"encoder-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()
        threading.stack_size(before)

    @property
    def threads(self) -> int:
        """The number of threads."""
        return len(self._threads)

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """Runs `work` in a thread; the future has its result or error."""
        future: Future[T] = Future()
        self._tasks.put((future, work))
        return future

    def close(self) -> None:
        """Ends the threads."""
        self.stopping = True
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> "EncoderPool":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            future, work = task
            if self.stopping:
                future.cancel()
                continue
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
            del task, future, work  # else their PCM and MP3 would stay until the next task


class ParallelEncoder:
    """Encodes interleaved 16-bit PCM to MP3 frames. The number of chunks in work limits the memory."""

    def __init__(self, settings: EncoderSettings, pool: EncoderPool, chunking: Chunking | None = None) -> None:
        chunking = chunking or chunking_for(settings)
        self._bytes_per_sample = BYTES_PER_SAMPLE * settings.channels
        self._frame_bytes = self._bytes_per_sample * samples_per_frame(settings.sample_rate_hz)
        self._settings = settings
        self._pool = pool
        self._chunking = chunking
        self._chunks = 0
        self.stitcher = Stitcher(chunking.overlap)
        self._pcm: list[bytes] = []
        self._pcm_bytes = 0
        self._in_work: deque[tuple[Future[bytes], int]] = deque()
        self._most_in_work = pool.threads
        self._lock = threading.Lock()
        self.samples = 0
        """Samples per channel encoded so far; overlaps count twice."""
        self.cpu_s = 0.0
        """CPU time of the encoders so far, in seconds."""

    def encode(self, pcm: bytes) -> Iterator[bytes]:
        """Takes PCM and yields complete frames, or empty blocks while it waits for an encoder."""
        self._pcm.append(pcm)
        self._pcm_bytes += len(pcm)
        while self._cut_off(self._chunking.frames_of(self._chunks), self._chunking.rest_of(self._chunks)):
            while self._in_work and (len(self._in_work) > self._most_in_work or self._in_work[0][0].done()):
                yield from self._stitch_next()

    def finish(self, lead_in: int = 0) -> Iterator[bytes]:
        """Yields the remaining frames, or empty blocks while it waits.

        Args:
            lead_in: samples of silence to insert at the start, if the audio is shorter than a chunk.
        """
        assert not lead_in or not self._chunks
        while self._chunks and self._chunking.last_frames and self._cut_off(self._chunking.last_frames):
            pass
        self._submit([bytes(lead_in * self._bytes_per_sample), *self._pcm], 0)
        self._pcm = []
        while self._in_work:
            yield from self._stitch_next()
        yield self.stitcher.finish()

    def _cut_off(self, frames: int, rest: int = 0) -> bool:
        """Submits the next chunk if at least `rest` frames of PCM follow it; returns whether it did."""
        encoded_bytes = (frames + self._chunking.overlap) * self._frame_bytes
        if self._pcm_bytes <= encoded_bytes + rest * self._frame_bytes:
            return False
        self._submit(_cut(self._pcm, 0, encoded_bytes), frames)
        self._pcm = _cut(self._pcm, frames * self._frame_bytes, self._pcm_bytes)
        self._pcm_bytes -= frames * self._frame_bytes
        return True

    def _submit(self, pcm: list[bytes], frames: int) -> None:
        self._chunks += 1
        self._in_work.append((self._pool.submit(lambda: self._encode_chunk(pcm)), frames))

    def _stitch_next(self) -> Iterator[bytes]:
        future, frames = self._in_work.popleft()
        while not future.done():
            wait([future], _WAIT_S)
            yield b""
        yield self.stitcher.add(future.result(), frames)

    def _encode_chunk(self, pcm: list[bytes]) -> bytes:
        encoder = Encoder(self._settings)
        mp3 = []
        pcm.reverse()
        while pcm and not self._pool.stopping:
            block = pcm.pop()  # frees each block once it is encoded
            started_s = time.thread_time()
            mp3.append(encoder.encode(block))
            with self._lock:
                self.samples += len(block) // self._bytes_per_sample
                self.cpu_s += time.thread_time() - started_s
        mp3.append(encoder.finish())
        return b"".join(mp3)


def _cut(blocks: list[bytes], start: int, end: int) -> list[bytes]:
    """Returns the bytes from `start` to `end` as slices of the blocks."""
    found, place = [], 0
    for block in blocks:
        part = block[max(0, start - place) : max(0, end - place)]
        if part:
            found.append(part)
        place += len(block)
    return found
