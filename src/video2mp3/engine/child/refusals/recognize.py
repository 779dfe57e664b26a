"""Says what a file is that is not converted. Runs in the child: the input is hostile."""

import contextlib
import re
import zlib
from collections.abc import Callable

import av.logging
from av.format import ContainerFormat

from video2mp3.engine.containers import mp4
from video2mp3.engine.containers.declared_size import declared_size, top_level_kinds
from video2mp3.engine.containers.window import ReadAt
from video2mp3.engine.refused_formats import REFUSED, SIGNATURE_BYTES, RefusedFormat
from video2mp3.errors import EncryptedAudio, IncompleteFile, UnsupportedFormat

_NOT_ALLOWED = "Format not on whitelist"
_DEMUXERS = {b"\xf8\x72\x6f\xba": "truehd", b"\xf8\x72\x6f\xbb": "mlp"}
"""By their major sync word. Source: FFmpeg's libavformat/mlpdec.c, which wants a hundred of them."""
_BEGINNINGS = (
    (b"\x1aE\xdf\xa3", "Matroska or WebM"),
    (b"OggS", "Ogg"),
    (b"RIFF", "RIFF (WAV or AVI)"),
    (b"FORM", "AIFF"),
    (b"FLV\x01", "Flash Video"),
    (b"fLaC", "FLAC"),
    (b"caff", "Core Audio Format"),
    (b"MAC ", "Monkey's Audio"),
    (b"TTA1", "TTA"),
    (b"tBaK", "TAK"),
    (b"wvpk", "WavPack"),
    (b"MPCK", "Musepack"),
    (b"MP+\x07", "Musepack"),
    (b".RMF", "RealMedia"),
    (b"DSD ", "DSD Stream"),
    (b"FRM8", "DSDIFF"),
    (b"\x06\x0e+4", "MXF"),
    (bytes.fromhex("b7d800203749da11a64e0007e95ead8d"), "Windows Recorded TV"),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "Windows Media"),
)
_TEXT_BYTES = 4096
_ZEROS_BYTES = 64 * 1024
_DISC_VOLUME = 32768
"""Source: ECMA-119 §6.2 and ECMA-167 §2/8: a disc image's volume descriptors begin in sector 16."""
_BY_NAME = {refused.what: refused for refused in REFUSED}
_PATTERNS = tuple(
    (re.compile(pattern, re.IGNORECASE), _BY_NAME[what])
    for pattern, what in (
        (rb"\s*(<!--.*?-->\s*)?<(!doctype html|html|head|body|script)", "a web page"),
        (rb"<mpd[\s>]", "a DASH manifest"),
        (rb"<(asx|smil|playlist|wpl|rss|opml)[\s>]|<\?wpl", "a playlist"),
        (rb"<svg[\s>]", "a picture"),
        (rb"<(audacityproject|project [^>]*audacity)", "an Audacity project"),
        (rb"<premieredata", "a Premiere Pro project"),
        (rb"<ableton", "an Ableton Live set"),
        (rb"<(fcpxml|xmeml|mlt)[\s>]", "a video project"),
        (rb"<plist[\s>].*<key>url</key>", "a shortcut"),
        (rb"(\xef\xbb\xbf)?\d+\s*\r?\n\d\d:\d\d:\d\d[,.]\d+ --> ", "a subtitle or lyrics file"),
        (rb"(\xef\xbb\xbf)?\[\d\d:\d\d[.:]\d\d\]", "a subtitle or lyrics file"),
        (rb"d\d+:(announce|comment|created|info|encoding|publisher)", "a BitTorrent file"),
    )
)
_NOT_TEXT = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def refuse_by_signature(read_at: ReadAt) -> None:
    """Refuses a file that begins with the signature of a format that is not converted.

    Raises:
        UnsupportedFormat: it does.
        EncryptedAudio: it does, and only copy protection prevents the conversion.
    """
    head = read_at(0, SIGNATURE_BYTES)
    for refused in REFUSED:
        if any(head.startswith(signature, offset) for offset, signature in refused.signatures):
            raise _refusal(_inside_gzip(head) or refused)


def demuxer_of(read_at: ReadAt) -> str | None:
    """Returns the demuxer for a file that FFmpeg recognizes only after many seconds; None for others."""
    return _DEMUXERS.get(read_at(4, 4))


def reason_not_opened(read_at: ReadAt, size_bytes: int, demuxer: str | None) -> UnsupportedFormat | EncryptedAudio:
    """Returns why a file cannot be opened.

    Args:
        read_at: as `Source.read_at`.
        size_bytes: the file's size.
        demuxer: the demuxer that FFmpeg would have chosen.
    """
    head = read_at(0, _TEXT_BYTES)
    if refused := _by_text(head) or _by_demuxer(demuxer) or _by_structure(read_at, head):
        return _refusal(refused)
    if head[4:8] in mp4.TOP_LEVEL_KINDS:
        return _mp4_reason(read_at, size_bytes)
    declared = declared_size(read_at, size_bytes)
    if declared is not None and declared > size_bytes:
        return IncompleteFile()
    if _is_zeros(read_at, size_bytes):
        return UnsupportedFormat("The file contains only zeros: its download or copy failed; copy it again.")
    if container := _by_beginning(head):
        return UnsupportedFormat(f"This {container} file is damaged at its beginning, or its end is missing.")
    if demuxer:
        return UnsupportedFormat(f"This is a file of the kind {_long_name(demuxer)}, which is not converted.")
    return UnsupportedFormat()


def chosen_demuxer(attempt: Callable[[], object]) -> str | None:
    """Returns the demuxer that FFmpeg chooses although it is not allowed, as its messages say."""
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as logs, contextlib.suppress(UnsupportedFormat):
            attempt()
    finally:
        av.logging.set_level(None)
    return next((name for _, name, message in logs if name and _NOT_ALLOWED in message), None)


def _refusal(refused: RefusedFormat) -> UnsupportedFormat | EncryptedAudio:
    kind = EncryptedAudio if refused.protected else UnsupportedFormat
    return kind(f"This is {refused.what}, which is not converted. {refused.advice}")


def _by_text(head: bytes) -> RefusedFormat | None:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):  # UTF-16, as programs on Windows write it
        head = head.decode("utf-16", "ignore").encode()
    if not head or _NOT_TEXT.search(head):
        return None
    is_markup = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    for pattern, refused in _PATTERNS:
        if pattern.match(head) or (is_markup and pattern.search(head)):
            return refused
    return _BY_NAME["a text file"]


def _by_demuxer(demuxer: str | None) -> RefusedFormat | None:
    return next((refused for refused in REFUSED if demuxer in refused.demuxers), None)


def _by_structure(read_at: ReadAt, head: bytes) -> RefusedFormat | None:
    volume = read_at(_DISC_VOLUME, 6)
    if volume[1:6] in (b"CD001", b"BEA01"):
        return _BY_NAME["a disc image"]
    is_old_musepack = head[:3] == b"MP+" and head[3:4] != b"\x07"
    return _BY_NAME["an old Musepack file (SV4 to SV6)"] if is_old_musepack else None


def _inside_gzip(head: bytes) -> RefusedFormat | None:
    """Returns what a compressed project file is."""
    if not head.startswith(b"\x1f\x8b\x08"):
        return None
    try:
        text = zlib.decompressobj(31).decompress(head, _TEXT_BYTES)
    except zlib.error:
        return None
    found = _by_text(text)
    return found if found and found is not _BY_NAME["a text file"] else None


def _mp4_reason(read_at: ReadAt, size_bytes: int) -> UnsupportedFormat:
    kinds = top_level_kinds(read_at, size_bytes)
    declared = declared_size(read_at, size_bytes)
    if declared is not None and declared > size_bytes:
        return IncompleteFile()
    if b"moov" not in kinds and b"moof" in kinds:
        return UnsupportedFormat("This is a fragment of a stream without its beginning, which names the tracks (moov).")
    if b"moov" not in kinds:
        return IncompleteFile(
            "The file has no index (moov): its recording, download or copy was interrupted. "
            "Check that it was copied whole."
        )
    return UnsupportedFormat("The index (moov) of this MP4 or MOV file is damaged, so its audio cannot be found.")


def _by_beginning(head: bytes) -> str | None:
    return next((name for signature, name in _BEGINNINGS if head.startswith(signature)), None)


def _is_zeros(read_at: ReadAt, size_bytes: int) -> bool:
    return not any(
        any(read_at(place, _ZEROS_BYTES)) for place in (0, size_bytes // 2, max(0, size_bytes - _ZEROS_BYTES))
    )


def _long_name(demuxer: str) -> str:
    try:
        return ContainerFormat(demuxer, "r").long_name or demuxer
    except ValueError:
        return demuxer
