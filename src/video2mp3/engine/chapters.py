"""Chapters, and the ones that users give as people write them below a video: a time and a title on each line.

A text, and not a list of objects, so that a form, a query, a file of the command line and JSON have the same.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from video2mp3.engine.mp3.id3 import MAX_TEXT_LENGTH, clean_text
from video2mp3.errors import InvalidOption

MAX_OWN_CHAPTERS = 999
"""As many as a split may make MP3s."""
MAX_OWN_CHAPTERS_LENGTH = 48_000
"""Bytes of all lines together in UTF-8, which fit into a request of 64 KiB."""

_LINE = re.compile(r"(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,7}(?:\.\d{1,9})?)(?:\s+(\S.*))?", re.ASCII)
_END_S = 10.0**7
"""Of the last chapter, which goes on to the end of the sound: no time is later."""


@dataclass(frozen=True)
class Chapter:
    """A chapter of a file. The title comes from the file or a user: untrusted."""

    start_s: float
    end_s: float
    title: str | None


def parse_chapters(text: str) -> tuple[Chapter, ...]:
    """Returns the chapters of lines such as `1:30 The interview`; each ends where the next one begins.

    Raises:
        InvalidOption: naming the first line that is not right.
    """
    if len(text.encode(errors="replace")) > MAX_OWN_CHAPTERS_LENGTH:
        raise InvalidOption(f"own_chapters: must not be longer than {MAX_OWN_CHAPTERS_LENGTH} bytes in UTF-8.")
    starts: list[tuple[float, str | None]] = []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if not line.strip():
            continue
        start_s, title = _parse_line(line.strip(), number)
        if starts and start_s <= starts[-1][0]:
            raise InvalidOption(f"own_chapters: line {number} must begin later than the chapter before it.")
        starts.append((start_s, title))
    if not starts:
        raise InvalidOption("own_chapters: must have at least one line such as 1:30 The interview.")
    if len(starts) > MAX_OWN_CHAPTERS:
        raise InvalidOption(f"own_chapters: must not be more than {MAX_OWN_CHAPTERS} chapters.")
    ends = [start_s for start_s, _ in starts[1:]] + [_END_S]
    return tuple(Chapter(start_s, end_s, title) for (start_s, title), end_s in zip(starts, ends, strict=True))


def chapters_to_use(own_chapters: str | None, source: Sequence[Chapter]) -> Sequence[Chapter]:
    """Returns the user's chapters, or else the source's."""
    return source if own_chapters is None else parse_chapters(own_chapters)


def _parse_line(line: str, number: int) -> tuple[float, str | None]:
    found = _LINE.fullmatch(line)
    if found is None or (found[2] is not None and float(found[3]) >= 60) or (found[1] and int(found[2]) >= 60):
        raise InvalidOption(f"own_chapters: line {number} must be a time and a title, such as 1:30 The interview.")
    hours, minutes, seconds, title = found.groups()
    # Added up exactly: 1:00.1 is what 60.1 is.
    start_s = float(int(hours or 0) * 3600 + int(minutes or 0) * 60 + Fraction(seconds))
    if start_s >= _END_S:
        raise InvalidOption(f"own_chapters: line {number} must begin before {_END_S:.0f} s.")
    if title and len(title) > MAX_TEXT_LENGTH:
        raise InvalidOption(
            f"own_chapters: the title in line {number} must not be longer than {MAX_TEXT_LENGTH} characters."
        )
    return start_s, clean_text(title or "") or None
