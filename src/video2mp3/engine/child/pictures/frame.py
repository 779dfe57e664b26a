"""Extracts one frame of a video, and validates given pictures. Runs in the child: both are untrusted."""

from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction

from av import VideoFrame
from av.container import InputContainer
from av.video.stream import VideoStream

from video2mp3.engine.child.decoding.decode import out_of_memory
from video2mp3.engine.child.decoding.media import Media
from video2mp3.engine.child.pictures.decode_picture import decoded
from video2mp3.engine.child.pictures.jpeg import jpeg_of
from video2mp3.errors import InvalidCover, MediaError, NoPicture

DECODERS = frozenset((
    "h264", "hevc", "vp8", "vp9", "libdav1d", "mpeg1video", "mpeg2video", "mpegvideo", "mpeg4", "msmpeg4v1",
    "msmpeg4v2", "msmpeg4", "wmv1", "wmv2", "wmv3", "vc1", "flv", "vp6", "vp6a", "vp6f", "theora", "h261", "h263",
    "h263i", "h263p", "mjpeg", "mjpegb", "png", "prores", "dnxhd", "cfhd", "dvvideo", "rawvideo", "v210", "svq1",
    "svq3", "cinepak", "huffyuv", "ffvhuff", "ffv1", "qtrle", "msvideo1", "msrle", "jpeg2000",
))  # fmt: skip
"""Decoders of video that may run."""

MAX_PIXELS = 64 * 1024**2
"""Per decoded frame: 8K has half as many."""
MAX_DECODED_PIXELS = 6 * 10**9
"""In all frames decoded before the wanted one: 100 s of 1080p at 30 frames per second."""
MAX_PACKETS = 20_000
_STEPS_BACK_S = (0, 3, 20)
"""If seeking overshoots the wanted time, it is repeated this much earlier."""
_LIMITS = {"max_pixels": str(MAX_PIXELS)}
_STRICT = {**_LIMITS, "err_detect": "crccheck+explode"}


def picture_at(open_media: Callable[[], Media], at_s: float, tell: Callable[[int], None]) -> bytes:
    """Returns the frame that the video shows at a time, as a JPEG.

    Args:
        open_media: opens the file again, which invalidates media that were opened before.
        at_s: seconds from the start of the file.
        tell: called repeatedly with the number of frames decoded so far.

    Raises:
        NoPicture: there is no video, it cannot be decoded, or it has no frame at that time.
    """
    try:
        return _Search(open_media, at_s, tell).jpeg()
    except MediaError:
        raise
    except Exception as error:  # hostile files raise more than FFmpeg's own errors
        if out_of_memory(error):
            raise
        raise NoPicture from error


def require_picture(picture: bytes) -> None:
    """Validates a JPEG or PNG by decoding it.

    Raises:
        InvalidCover: the picture is incomplete or not valid.
    """
    try:
        frames = decoded(picture, "png" if picture.startswith(b"\x89PNG") else "mjpeg", _STRICT)
    except Exception as error:
        if out_of_memory(error):
            raise
        raise InvalidCover from error
    if len(frames) != 1 or frames[0].is_corrupt:
        raise InvalidCover


class _Search:
    """The search for one frame."""

    def __init__(self, open_media: Callable[[], Media], at_s: float, tell: Callable[[int], None]) -> None:
        self._open_media = open_media
        self._at_s = at_s
        self._tell = tell
        self._packets = self._frames = self._pixels = 0
        self._last_s: float | None = None

    def jpeg(self) -> bytes:
        for back_s in _STEPS_BACK_S:
            if self._at_s - back_s <= 0:
                break
            if found := self._found(self._at_s - back_s):
                return found
        if found := self._found(None):
            return found
        if self._last_s is None:
            raise NoPicture("The file's video cannot be decoded.")
        raise NoPicture(f"The file has no picture at {self._at_s:g} s: it ends before.")

    def _found(self, from_s: float | None) -> bytes | None:
        """Searches from a time, or from the start; returns None if it finds no frame, or only a later one."""
        with closing(self._open_media()) as media:
            stream = _video(media)
            start = media.zero_s
            if from_s is not None and not _sought(stream, start + Fraction(from_s)):
                return None
            frame = self._shown(stream, start, any_later=from_s is None, length_s=media.duration_s or 0)
            # If the container does not declare it, the decoder has found it by now.
            aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or Fraction(1)
            return None if frame is None else jpeg_of(frame, aspect)

    def _shown(self, stream: VideoStream, start: Fraction, *, any_later: bool, length_s: float) -> VideoFrame | None:
        """Returns the last frame that is not later than the wanted time; with `any_later`, else the first frame."""
        held: VideoFrame | None = None
        for frame, seconds in self._decoded(stream):
            self._last_s = float(seconds - start)
            if self._last_s > self._at_s:
                return held or (frame if any_later else None)
            held = frame
        if held is None or self._last_s is None:
            return None
        shown_s = float((held.duration or 0) * (stream.time_base or 0)) or 1 / float(stream.average_rate or 25)
        return held if self._at_s < max(self._last_s + shown_s, length_s) else None

    def _decoded(self, stream: VideoStream) -> Iterator[tuple[VideoFrame, Fraction]]:
        """Yields the decodable frames, with their time in seconds."""
        time_base, seconds = stream.time_base or Fraction(1, 1_000_000), Fraction(0)
        for packet in _container(stream).demux(stream):
            self._packets += 1
            try:
                frames = stream.codec_context.decode(packet)
            except Exception as error:
                if out_of_memory(error):
                    raise
                frames = []
            for frame in frames:
                assert isinstance(frame, VideoFrame)
                stamp = frame.dts if frame.pts is None else frame.pts
                seconds = seconds if stamp is None else stamp * time_base
                yield frame, seconds
                seconds += 1 / Fraction(stream.average_rate or 25)
            self._count(frames)

    def _count(self, frames: list[VideoFrame]) -> None:
        self._frames += len(frames)
        self._pixels += sum(frame.width * frame.height for frame in frames)
        self._tell(self._frames)
        if self._pixels > MAX_DECODED_PIXELS or self._packets > MAX_PACKETS:
            raise NoPicture(f"The picture at {self._at_s:g} s is too far from the key frame before it.")


def _video(media: Media) -> VideoStream:
    stream = media.video_stream
    if stream is None:
        raise NoPicture("The file has no video to take a picture from.")
    context = stream.codec_context
    if context is None or context.codec.name not in DECODERS:
        name = f" ({context.codec.name})" if context is not None else ""
        raise NoPicture(f"The file's video is of a kind that is not decoded here{name}.")
    context.thread_count = 1
    context.options = _LIMITS
    return stream


def _container(stream: VideoStream) -> InputContainer:
    assert isinstance(stream.container, InputContainer)
    return stream.container


def _sought(stream: VideoStream, to_s: Fraction) -> bool:
    try:
        _container(stream).seek(int(to_s / (stream.time_base or Fraction(1, 1_000_000))), stream=stream)
    except Exception as error:
        if out_of_memory(error):
            raise
        return False
    return True
