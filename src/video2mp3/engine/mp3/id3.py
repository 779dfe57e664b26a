"""A small writer of ID3v2.4 tags. Source: id3.org, ID3v2.4.0 structure and native frames."""

from collections.abc import Mapping, Sequence

MAX_TEXT_LENGTH = 300

_UTF_8 = 3
_FRONT_COVER = 3
_TOP_LEVEL, _ORDERED = 2, 1
_NO_BYTE_OFFSETS = b"\xff" * 8

_JOINERS = "\u200c\u200d"
"""Invisible characters that Persian, Indic scripts and emoji need."""


def clean_text(text: str, max_length: int = MAX_TEXT_LENGTH) -> str:
    """Returns untrusted text as one bounded line without control characters."""
    printable = "".join(c if c.isprintable() or c in _JOINERS else " " for c in text[: 4 * max_length])
    return " ".join(printable.split())[:max_length].rstrip()


def id3_tag(
    texts: Mapping[str, str],
    comment: str = "",
    others: Mapping[str, str] | None = None,
    *,
    chapters: Sequence[tuple[int, int, str]] = (),
    cover: tuple[str, bytes] | None = None,
) -> bytes:
    """Returns a tag, or no bytes if there is nothing to write.

    Args:
        texts: text frames by their names (`TIT2`, `TPE1` …).
        comment: for a `COMM` frame without a language.
        others: texts with custom names, for `TXXX` frames.
        chapters: start and end in milliseconds and title, 255 at most, for `CHAP` frames and a `CTOC`
            (the ID3v2 Chapter Frame Addendum).
        cover: media type and bytes of the front cover, for an `APIC` frame.
    """
    cleaned = {frame_id: clean_text(text) for frame_id, text in texts.items()}
    frames = b"".join(_frame(frame_id, _text(text)) for frame_id, text in cleaned.items() if text)
    if comment:
        frames += _frame("COMM", bytes((_UTF_8,)) + b"und" + b"\0" + _text(comment)[1:])
    for name, text in (others or {}).items():
        frames += _frame("TXXX", _text(name) + b"\0" + _text(text)[1:])
    frames += _chapter_frames(chapters)
    if cover:
        frames += _frame("APIC", b"\0" + cover[0].encode("ascii") + b"\0" + bytes((_FRONT_COVER,)) + b"\0" + cover[1])
    return b"ID3\x04\x00\x00" + _synchsafe(len(frames)) + frames if frames else b""


def _chapter_frames(chapters: Sequence[tuple[int, int, str]]) -> bytes:
    if not chapters:
        return b""
    names = [f"chp{number}".encode("ascii") + b"\0" for number in range(len(chapters))]
    frames = _frame("CTOC", b"toc\0" + bytes((_TOP_LEVEL | _ORDERED, len(names))) + b"".join(names))
    for name, (start_ms, end_ms, title) in zip(names, chapters, strict=True):
        times = start_ms.to_bytes(4, "big") + end_ms.to_bytes(4, "big") + _NO_BYTE_OFFSETS
        frames += _frame("CHAP", name + times + (_frame("TIT2", _text(title)) if title else b""))
    return frames


def _frame(frame_id: str, content: bytes) -> bytes:
    return frame_id.encode("ascii") + _synchsafe(len(content)) + b"\0\0" + content


def _text(text: str) -> bytes:
    return bytes((_UTF_8,)) + text.encode("utf-8", "replace")


def _synchsafe(number: int) -> bytes:
    """Encodes a size with seven bits per byte, so that it never looks like a frame header."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
