"""Cleans file names from clients. They are only displayed, never used as a path or a key."""

import re
import unicodedata

_MAX_CHARACTERS = 255
# They reverse the reading direction, so that `exe.4pm` is displayed as `mp4.exe`.
_DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_name(name: str, default: str = "upload") -> str:
    """Returns the last component of a path as text of 1 to 255 characters, without control characters."""
    printable = "".join(c for c in name if _is_text(c))
    component = re.split(r"[/\\]", printable)[-1].strip()
    if not component.strip("."):
        return default
    return _shortened(component)


def _is_text(character: str) -> bool:
    # Cc: control characters; Cs: halves of surrogate pairs, which no database takes; Zl, Zp: line ends.
    return unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp") and character not in _DIRECTION_MARKS


def _shortened(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    if len(name) <= _MAX_CHARACTERS or len(extension) > 16:
        return name[:_MAX_CHARACTERS]
    return stem[: _MAX_CHARACTERS - len(dot + extension)] + dot + extension
