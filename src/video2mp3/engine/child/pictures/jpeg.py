"""Encodes a video frame as JPEG: square pixels, upright, in JPEG's color space. Runs in the child.

Sources: ITU-T H.273 (color), ISO/IEC 14496-12 §8.3.2 (rotation matrix), JFIF 1.02 (full range, BT.601).
"""

import struct
from fractions import Fraction

from av import CodecContext, VideoFrame
from av.sidedata.sidedata import SideData
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

MAX_SIDE = 1000
"""Longest side of the JPEG, in pixels."""
_QUANTIZER = 3
"""From 2 (best) to 31, like ffmpeg's -q:v."""
_MAX_ASPECT = 8
_UNSPECIFIED = 2
"""H.273's value for unspecified matrix coefficients."""
_HD_LINES = 720


def jpeg_of(frame: VideoFrame, pixel_aspect: Fraction) -> bytes:
    """Returns the frame as displayed, scaled down to `MAX_SIDE`.

    Args:
        frame: the decoded frame.
        pixel_aspect: width of a pixel divided by its height.
    """
    return _encoded(_upright(_scaled(frame, float(pixel_aspect))))


def _scaled(frame: VideoFrame, aspect: float) -> VideoFrame:
    """Returns the frame with square pixels, at most `MAX_SIDE` per side, in JPEG's color space.

    HDR frames look paler than intended: swscale's tone mapping starts threads, which seccomp denies.
    """
    width, height = float(frame.width), float(frame.height)
    if 1 <= aspect <= _MAX_ASPECT:
        width *= aspect
    elif 1 / _MAX_ASPECT <= aspect < 1:
        height /= aspect
    scale = min(1.0, MAX_SIDE / max(width, height))
    return VideoReformatter().reformat(
        frame,
        _even(width * scale),
        _even(height * scale),
        "yuv420p",
        src_colorspace=_matrix_of(frame),
        dst_colorspace=Colorspace.ITU601,
        interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT,
        src_color_range=ColorRange.JPEG if frame.format.name.startswith("yuvj") else None,
        dst_color_range=ColorRange.JPEG,
        threads=1,  # seccomp denies more threads
    )


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)


def _matrix_of(frame: VideoFrame) -> int:
    """Returns the frame's color matrix; if unspecified, the usual one, like players."""
    if frame.colorspace != _UNSPECIFIED or frame.format.is_rgb:
        return int(frame.colorspace)
    return int(Colorspace.ITU709 if max(frame.height, frame.width * 9 // 16) >= _HD_LINES else Colorspace.ITU601)


def _upright(frame: VideoFrame) -> VideoFrame:
    """Returns the picture rotated and mirrored by its matrix, without side data."""
    a, b, c, d = _turn_of(frame)
    crosswise = abs(b) + abs(c) > abs(a) + abs(d)
    across, down = (c, b) if crosswise else (a, d)
    size = (frame.height, frame.width) if crosswise else (frame.width, frame.height)
    turned = VideoFrame(*size, "yuv420p")
    turned.color_range = ColorRange.JPEG
    for source, target in zip(frame.planes, turned.planes, strict=True):
        data = memoryview(source)
        rows = [bytes(data[y * source.line_size :][: source.width]) for y in range(source.height)]
        if crosswise:
            joined = b"".join(rows)
            rows = [joined[x :: source.width] for x in range(source.width)]
        rows = rows[::-1] if down < 0 else rows
        padding = bytes(target.line_size - target.width)
        target.update(b"".join((row[::-1] if across < 0 else row) + padding for row in rows))
    return turned


def _turn_of(frame: VideoFrame) -> tuple[int, int, int, int]:
    """Returns what becomes of x (a, b) and of y (c, d)."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # the frame carries something that PyAV has no name for
        matrix = None
    if not isinstance(matrix, SideData):
        return 1, 0, 0, 1
    a, b, _, c, d = struct.unpack_from("=5i", bytes(matrix))
    return a, b, c, d


def _encoded(frame: VideoFrame) -> bytes:
    context = CodecContext.create("mjpeg", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = frame.width, frame.height, "yuv420p"
    context.color_range = ColorRange.JPEG
    context.time_base = Fraction(1, 25)
    context.thread_count = 1
    context.qscale = True
    context.global_quality = _QUANTIZER
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
