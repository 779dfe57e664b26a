"""Orders the pictures that are attached to a file.

Sources: ID3v2.4.0 §4.14 (types), RFC 9559 §21.1 (names in Matroska).
"""

from collections.abc import Mapping
from pathlib import PurePosixPath

from av.stream import AttachmentStream

from video2mp3.engine.containers.attached_pictures import FRONT_COVER

_OTHER_TYPE = 0
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".bmp", ".heic")
_NAMES = ("cover", "front", "folder")
_LESSER_NAMES = ("cover_land", "small_cover", "small_cover_land")
FRONT, _UNKNOWN, _ELSE = 0, 10, 20


def is_picture(attachment: AttachmentStream) -> bool:
    """Returns whether an attachment of a Matroska file is a picture."""
    return (attachment.mimetype or "").startswith("image/") or (attachment.name or "").lower().endswith(_SUFFIXES)


def rank_of(metadata: Mapping[str, str]) -> int:
    """Returns the rank of a picture with FFmpeg's metadata; the front cover's is the lowest."""
    name = PurePosixPath(metadata.get("filename", "").lower()).stem
    if name:
        if name in _NAMES:
            return FRONT + _NAMES.index(name)
        return _ELSE + _LESSER_NAMES.index(name) if name in _LESSER_NAMES else _UNKNOWN
    return {"Cover (front)": FRONT, "Other": _UNKNOWN, "": _UNKNOWN}.get(metadata.get("comment", ""), _ELSE)


def rank_of_type(picture_type: int) -> int:
    """Returns the rank of a picture of one of ID3's types."""
    return {FRONT_COVER: FRONT, _OTHER_TYPE: _UNKNOWN}.get(picture_type, _ELSE)
