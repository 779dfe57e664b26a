"""Decodes pictures that MP3 players do not show, to make JPEGs of them. Runs in the child: they are untrusted."""

import io
import re
from collections.abc import Sequence
from fractions import Fraction

import av
from av import CodecContext, Packet, VideoFrame
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext

from video2mp3.engine.child.decoding.decode import out_of_memory
from video2mp3.engine.child.pictures.jpeg import jpeg_of
from video2mp3.engine.containers.attached_pictures import MAX_PICTURE_BYTES

MAX_PIXELS = 24 * 1024**2
"""With 4 bytes per pixel it fits into the child's memory twice."""
DAMAGED = "damaged"
_KINDS = (
    ("JPEG", rb"\xff\xd8\xff"),
    ("PNG", rb"\x89PNG\r\n\x1a\n"),
    ("WebP", rb"RIFF....WEBP"),
    ("GIF", rb"GIF8[79]a"),
    ("BMP", rb"BM"),
    ("AVIF", rb"....ftypavi[fs]"),
    ("HEIC", rb"....ftyp(he(ic|ix|im|is|vc|vx)|mif1|msf1)"),
    ("TIFF", rb"II\*\0|MM\0\*"),
    ("JPEG XL", rb"\xff\x0a|\0\0\0\x0cJXL "),
    ("JPEG 2000", rb"\0\0\0\x0cjP  "),
    ("SVG", rb"\s*<(\?xml|svg|!DOCTYPE svg)"),
)
_DECODERS = {"JPEG": "mjpeg", "PNG": "png", "WebP": "webp", "GIF": "gif", "BMP": "bmp"}
_AV1_DECODER = "libdav1d"
_OPTIONS = {"max_pixels": str(MAX_PIXELS)}


def kind_of(picture: bytes) -> str | None:
    """Returns the name of a picture's format, or None if it is not known."""
    return next((name for name, start in _KINDS if re.match(start, picture[:100], re.DOTALL)), None)


def why_unusable(picture: bytes) -> str:
    """Returns the name of a format that is not decoded, or `DAMAGED`."""
    kind = kind_of(picture)
    return DAMAGED if kind is None or kind in _DECODERS or kind == "AVIF" else kind


def as_jpeg(picture: bytes) -> bytes | None:
    """Returns a JPEG, WebP, AVIF, GIF, BMP or PNG as a JPEG of at most 1000 pixels a side; None if it is not valid."""
    kind = kind_of(picture)
    if len(picture) > MAX_PICTURE_BYTES or (kind != "AVIF" and kind not in _DECODERS):
        return None
    try:
        frames = _avif_frames(picture) if kind == "AVIF" else decoded(picture, _DECODERS[kind or ""], _OPTIONS)
        return jpeg_of(frames[0], Fraction(1)) if frames and not frames[0].is_corrupt else None
    except Exception as error:  # hostile pictures raise more than FFmpeg's own errors
        if out_of_memory(error):
            raise
        return None


def decoded(picture: bytes, decoder: str, options: dict[str, str]) -> Sequence[VideoFrame]:
    """Returns the frames of a picture. Raises FFmpeg's errors, and others."""
    context = CodecContext.create(decoder, "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    context.options = options
    return [*context.decode(Packet(picture)), *context.decode(None)]


def _avif_frames(picture: bytes) -> Sequence[VideoFrame]:
    options = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2", "codec_whitelist": _AV1_DECODER, "protocol_whitelist": ""}
    with av.open(io.BytesIO(picture), container_options=options) as container:
        assert isinstance(container, InputContainer)
        streams = container.streams.video
        if not 1 <= len(streams) <= 2:  # the second one is transparency; more are the tiles of one large picture
            return []
        stream = streams[0]
        if stream.codec_context is None or stream.codec_context.codec.name != _AV1_DECODER:
            return []
        stream.codec_context.thread_count = 1
        stream.codec_context.options = _OPTIONS
        for packet in container.demux(stream):
            if frames := stream.codec_context.decode(packet):
                return [frame for frame in frames if isinstance(frame, VideoFrame)]
    return []
