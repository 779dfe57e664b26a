"""A small writer of ID3v2.4 tags. Source: id3.org, ID3v2.4.0 structure and native frames."""

from collections.abc import Mapping

MAX_TEXT_LENGTH = 300

_UTF_8 = 3


def clean_text(text: str, max_length: int = MAX_TEXT_LENGTH) -> str:
    """Returns text from a stranger's file as one bounded line: without control characters and NULs."""
    printable = "".join(c if c.isprintable() else " " for c in text[: 4 * max_length])
    return " ".join(printable.split())[:max_length].rstrip()


def id3_tag(texts: Mapping[str, str], comment: str = "", others: Mapping[str, str] | None = None) -> bytes:
    """Returns a tag; nothing when nothing is left to write.

    Args:
        texts: text frames by their names (`TIT2`, `TPE1` …).
        comment: for a `COMM` frame, in no language in particular.
        others: texts with names of their own, for `TXXX` frames.
    """
    cleaned = {frame_id: clean_text(text) for frame_id, text in texts.items()}
    frames = b"".join(_frame(frame_id, _text(text)) for frame_id, text in cleaned.items() if text)
    if comment:
        frames += _frame("COMM", bytes((_UTF_8,)) + b"und" + b"\0" + _text(comment)[1:])
    for name, text in (others or {}).items():
        frames += _frame("TXXX", _text(name) + b"\0" + _text(text)[1:])
    return b"ID3\x04\x00\x00" + _synchsafe(len(frames)) + frames if frames else b""


def _frame(frame_id: str, content: bytes) -> bytes:
    return frame_id.encode("ascii") + _synchsafe(len(content)) + b"\0\0" + content


def _text(text: str) -> bytes:
    return bytes((_UTF_8,)) + text.encode("utf-8", "replace")


def _synchsafe(number: int) -> bytes:
    """Seven bits per byte, so that no part of a size looks like the start of a frame."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
