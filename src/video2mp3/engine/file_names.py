"""Names of outputs that fit into a file system."""

import unicodedata

MAX_NAME_BYTES = 255
"""Of one name, in UTF-8: the limit of ext4, XFS, Btrfs, ZFS, APFS and tmpfs. NTFS and exFAT have 255 UTF-16 units."""

_ZERO_WIDTH_JOINER = "\u200d"
_EXTENDING = ("Mn", "Me", "Mc", "Cf")
"""Categories: combining marks, joiners, variation selectors and tags."""


def fitted(stem: str, ending: str = "", max_bytes: int = MAX_NAME_BYTES) -> str:
    """Returns the stem with the ending. If that is too long, the stem is cut between two characters that a reader sees.

    Args:
        stem: of a name. Bytes that are not UTF-8 may be escaped as surrogates.
        ending: what must be kept, such as `-01.mp3`.
        max_bytes: of the whole name.
    """
    room = max_bytes - _size_bytes(ending)
    if _size_bytes(stem) <= room:
        return stem + ending
    end, size_bytes = 0, 0
    for character in stem:
        size_bytes += _size_bytes(character)
        if size_bytes > room:
            break
        end += 1
    return stem[: _boundary(stem, end) or end].rstrip(" .") + ending


def _size_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _boundary(text: str, end: int) -> int:
    """Returns the last place up to `end` that is not inside a grapheme cluster (UAX #29).."""
    while 0 < end < len(text) and not _may_break(text, end):
        end -= 1
    return end


def _may_break(text: str, place: int) -> bool:
    before, after = text[place - 1], text[place]
    if before == _ZERO_WIDTH_JOINER or _extends(after):
        return False
    return not (_is_flag_letter(after) and _flag_letters_before(text, place) % 2)


def _extends(character: str) -> bool:
    is_skin_tone = "\U0001f3fb" <= character <= "\U0001f3ff"
    is_vowel_or_final = "\u1160" <= character <= "\u11ff"  # of decomposed Hangul, as macOS writes names
    return is_skin_tone or is_vowel_or_final or unicodedata.category(character) in _EXTENDING


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_letters_before(text: str, place: int) -> int:
    letters = 0
    while letters < place and _is_flag_letter(text[place - letters - 1]):
        letters += 1
    return letters
