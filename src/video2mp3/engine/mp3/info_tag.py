"""The info tag: the frame of silence in front that gives players the exact length, and where to seek.

`Xing` (VBR) or `Info` (CBR), followed by the LAME tag with the encoder delay and padding that players cut
off. Source: the LAME tag specification (Mp3 Info Tag rev 1), and the Xing header that it extends.
"""

from dataclasses import dataclass, replace

from fastcrc import crc16

from video2mp3.engine.mp3.frames import FrameHeader, FrameWalker, bitrates_kbps, parse_header

ENCODER_DELAY = 576
"""Samples of silence that LAME inserts at the start."""
DECODER_DELAY = 529
"""Samples that every decoder adds at the start, and skips itself."""
LAME_VERSION = b"LAME4.0\0\0"
"""Version of LAME in lameenc; players trust the delay only of known encoders."""

_TAG_BYTES = 156
_CBR_METHOD, _ABR_METHOD, _VBR_METHOD = 1, 2, 4
_HAS_ALL = 0x0F
MAX_PADDING = 4095
_TOC_ENTRIES = 100


@dataclass(frozen=True)
class InfoTag:
    """The contents of the tag."""

    vbr_quality: int | None
    """None for a constant bitrate."""
    quality: int
    """LAME's -q."""
    frames: int
    """Frames of audio, without the info frame."""
    size_bytes: int
    """Bytes from the start of this frame to the end of the last."""
    toc: bytes
    delay: int
    padding: int
    """Samples at the end that do not belong to the source."""
    music_crc: int
    average_kbps: int | None = None
    """Set for an average bitrate."""
    encoder: bytes = LAME_VERSION
    """Nine bytes."""


@dataclass(frozen=True)
class FoundInfoTag:
    """The fields of a tag that was read from a file."""

    frames: int | None
    size_bytes: int | None
    delay: int | None
    padding: int | None
    encoder: bytes | None = None
    """Nine bytes. Untrusted."""


def info_frame_header(sample_rate_hz: int, channels: int, bitrate_kbps: int | None) -> FrameHeader:
    """Returns the header of the info frame, with the stream's bitrate or the next one that has room for the tag."""
    rates = bitrates_kbps(sample_rate_hz)
    for rate in rates[rates.index(bitrate_kbps) if bitrate_kbps else 0 :]:
        header = FrameHeader(sample_rate_hz, rate, channels, padded=False)
        if header.size_bytes >= 4 + header.side_info_bytes + _TAG_BYTES:
            return header
    raise ValueError("no bitrate has room for the tag")  # not reached: the largest bitrate always has


def padding_for(frames: int, samples_per_frame: int, delay: int, samples: int) -> int:
    """Returns the padding with which `frames` decode to exactly `samples` samples."""
    padding = frames * samples_per_frame - delay - samples
    if not 0 <= padding <= MAX_PADDING:
        raise ValueError(f"{frames} frames cannot hold {samples} samples")
    return padding


def table_of_contents(walker: FrameWalker, info_frame_bytes: int) -> bytes:
    """Returns, for each percent of the time, the position in 256ths of the bytes."""
    total = walker.size_bytes + info_frame_bytes
    places = (walker.place_of(percent / 100) + info_frame_bytes for percent in range(_TOC_ENTRIES))
    return bytes(min(255, place * 256 // total) for place in places)


def info_frame(header: FrameHeader, tag: InfoTag) -> bytes:
    """Returns the info frame."""
    vbr = tag.vbr_quality is not None
    frame = bytearray(header.to_bytes() + bytes(header.side_info_bytes))
    method = _VBR_METHOD if vbr else _CBR_METHOD if tag.average_kbps is None else _ABR_METHOD
    frame += (b"Info" if method == _CBR_METHOD else b"Xing") + _HAS_ALL.to_bytes(4, "big")
    frame += tag.frames.to_bytes(4, "big") + min(tag.size_bytes, 0xFFFFFFFF).to_bytes(4, "big") + tag.toc
    frame += (100 - 10 * (tag.vbr_quality or 0) - tag.quality).to_bytes(4, "big")
    frame += tag.encoder + bytes((method,))
    frame += bytes(1 + 4 + 2 + 2 + 1)  # low-pass, peak, replay gains, flags: unknown
    frame += bytes((0 if vbr else min(tag.average_kbps or header.bitrate_kbps, 255),))
    frame += (tag.delay << 12 | tag.padding).to_bytes(3, "big")
    frame += bytes((_source_rate_code(header.sample_rate_hz) << 6 | (0 if header.channels == 1 else 3) << 2,))
    frame += bytes(1 + 2)  # gain, preset
    frame += min(tag.size_bytes, 0xFFFFFFFF).to_bytes(4, "big") + tag.music_crc.to_bytes(2, "big")
    frame += crc16.arc(bytes(frame)).to_bytes(2, "big")
    return bytes(frame).ljust(header.size_bytes, b"\0")


def placeholder(header: FrameHeader) -> bytes:
    """Returns a placeholder frame of the same size."""
    return header.to_bytes().ljust(header.size_bytes, b"\0")


def read_info_tag(data: bytes, offset: int) -> FoundInfoTag | None:
    """Returns the tag in the frame at `offset`, or None."""
    header = parse_header(data, offset)
    if header is None:
        return None
    place = offset + 4 + header.side_info_bytes
    if data[place : place + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(data[place + 4 : place + 8], "big")
    place += 8
    found = FoundInfoTag(None, None, None, None)
    if flags & 1:
        found = replace(found, frames=int.from_bytes(data[place : place + 4], "big"))
        place += 4
    if flags & 2:
        found = replace(found, size_bytes=int.from_bytes(data[place : place + 4], "big"))
        place += 4
    place += (_TOC_ENTRIES if flags & 4 else 0) + (4 if flags & 8 else 0)
    if data[place : place + 4] not in (b"LAME", b"Lavf", b"Lavc"):
        return found
    gap = int.from_bytes(data[place + 21 : place + 24], "big")
    return replace(found, delay=gap >> 12, padding=gap & 0xFFF, encoder=data[place : place + 9])


def _source_rate_code(sample_rate_hz: int) -> int:
    if sample_rate_hz <= 32000:
        return 0
    return {44100: 1, 48000: 2}.get(sample_rate_hz, 3)
