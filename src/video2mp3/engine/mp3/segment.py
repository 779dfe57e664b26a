"""Cuts a segment out of a stream of frames, exact to the sample.

A segment that begins in frame f of the stream is [a filler frame] [the frames that initialize the decoder] [f] … [g].
The decoder's output for f depends on the previous frame: on its last granule, whose second half is added to f's first
(MDCT overlap), and on the last 480 of its subband samples (synthesis filter). Those depend on the granule before that
one, which is in the same frame in MPEG-1, and in the previous frame in MPEG-2 and 2.5. The main data of these frames
may begin up to 511 bytes before them: the filler frame, which is silent, carries these bytes. The LAME tag declares the
number of samples to skip.

Decoders that use SIMD (mpg123) add up the taps of the synthesis filter in an order that repeats every 4 (stereo) or 8
(mono) of its steps, of which a frame has 36 or 18. So that they round as they do for the whole stream, one frame more
is put in front where that helps. It always does, but for mono of MPEG-2, where it would take up to three and mpg123
begins to decode only four frames before the first sample that is to be heard.

Source: ISO/IEC 11172-3 §2.4.3.4 and §2.4.1.7, 13818-3 §2.4; the tag's delay has twelve bits.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from video2mp3.engine.mp3.frame import Frame, data_before, side_info_crc
from video2mp3.engine.mp3.frames import bitrates_kbps
from video2mp3.engine.mp3.info_tag import DECODER_DELAY

_KEPT_FRAMES = 300
"""The smallest frames have one byte for main data, and 255 are needed."""


@dataclass(frozen=True)
class Start:
    """The start of a segment."""

    frames: list[Frame]
    """All frames up to the newest one."""
    delay: int
    """Encoder delay for its LAME tag."""


class RecentFrames:
    """The last frames of a stream, in which segments begin."""

    def __init__(self) -> None:
        self.count = 0
        """Frames taken so far."""
        self._frames: deque[Frame] = deque(maxlen=_KEPT_FRAMES)

    def take(self, frame: Frame) -> None:
        """Takes the next frame."""
        self._frames.append(frame)
        self.count += 1

    def start_at(self, position: int) -> Start:
        """Returns the start of a segment.

        Args:
            position: the segment's first sample, counted from the first sample that a decoder returns for the whole
                stream; in one of the newest two frames, or the next one.
        """
        newest = self._frames[-1]
        frame_samples, step = newest.header.samples, _step(newest)
        filler_at = position // frame_samples - (2 if newest.is_mpeg1 else 3)
        if filler_at % step and (filler_at - 1) % step == 0:
            filler_at -= 1
        if filler_at >= 0:
            filler = [self._filler_before(filler_at + 1)]
        elif position >= DECODER_DELAY:
            filler, filler_at = [], 0
        else:  # a decoder skips more samples than that
            filler, filler_at = [filler_frame(self._from(0)[0], b"")] * step, -step
        frames = [*filler, *self._from(filler_at + len(filler))]
        return Start(frames, position - filler_at * frame_samples - DECODER_DELAY)

    def _filler_before(self, number: int) -> Frame:
        frame, before = self._from(number)[0], self._from(0)[: number - self.count]
        return filler_frame(frame, data_before(before, frame.main_data_begin))

    def _from(self, number: int) -> list[Frame]:
        """Returns the frames from `number`, as far as they are kept."""
        frames = list(self._frames)
        return frames[max(number - self.count + len(frames), 0) :]


def _step(frame: Frame) -> int:
    """Returns the number of frames after which the synthesis filter's order repeats."""
    rounds = 1 if frame.is_mpeg1 else 2
    return rounds * (2 if frame.header.channels == 1 else 1)


def filler_frame(like: Frame, main_data: bytes) -> Frame:
    """Returns a silent frame that carries main data for the following frames.

    Args:
        like: the frame to imitate; the bitrate is the same if there is room.
        main_data: the end of the frame's space for main data.
    """
    rates: Sequence[int] = (like.header.bitrate_kbps, *bitrates_kbps(like.header.sample_rate_hz))
    offset = like.main_offset
    header = next(
        header
        for header in (replace(like.header, bitrate_kbps=rate, padded=False) for rate in rates)
        if header.size_bytes >= offset + len(main_data)
    )
    third = header.to_bytes()[2] | like.data[2] & 1  # the private bit stays
    head = bytes((like.data[0], like.data[1], third, like.data[3]))
    side = bytes(header.side_info_bytes)
    crc = side_info_crc(head, side) if header.protected else b""
    space = header.size_bytes - offset
    return Frame(head + crc + side + main_data.rjust(space, b"\0"), header)
