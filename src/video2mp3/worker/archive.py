"""Writes several MP3s into one ZIP without compression.

The format: PKWARE's APPNOTE.TXT 6.3; written by Python's `zipfile`, with its ZIP64 records if needed.
"""

import hashlib
import time
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from video2mp3.engine import Report, Segment
from video2mp3.errors import ResultCheckFailed
from video2mp3.storage.scratch import write_error

_PIECE_SIZE_BYTES = 1024**2
_REGULAR_FILE = 0o100644 << 16


def archive(mp3s: Path, report: Report, names: Sequence[str], target: Path) -> Report:
    """Writes the segments of a file into an uncompressed ZIP.

    Args:
        mp3s: file with the MP3s, one after the other, as the engine wrote it.
        report: holds the offset of each segment in that file.
        names: names of the ZIP members.
        target: the ZIP to write.

    Returns:
        The report of the ZIP: its size, its SHA-256, and the offset of each segment in it.

    Raises:
        ResultCheckFailed: the file is shorter than the report says.
        StorageFull: the disk has too little room.
        StorageUnavailable: the ZIP cannot be written.
    """
    try:
        with mp3s.open("rb") as source, target.open("wb+") as file:
            with zipfile.ZipFile(file, "w") as archived:
                segments = [_add(archived, file, source, *item) for item in zip(report.segments, names, strict=True)]
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            return replace(report, segments=tuple(segments), size_bytes=file.tell(), sha256=sha256)
    except OSError as error:
        raise write_error(error) from error


def _add(archived: zipfile.ZipFile, file: BinaryIO, source: BinaryIO, segment: Segment, name: str) -> Segment:
    member = zipfile.ZipInfo(name, time.gmtime()[:6])
    member.external_attr = _REGULAR_FILE
    member.file_size = segment.size_bytes  # decides whether ZIP64 is needed
    source.seek(segment.offset_bytes)
    with archived.open(member, "w") as stored:
        offset_bytes = file.tell()
        missing_bytes = segment.size_bytes
        while missing_bytes > 0:
            piece = source.read(min(missing_bytes, _PIECE_SIZE_BYTES))
            if not piece:
                raise ResultCheckFailed
            stored.write(piece)
            missing_bytes -= len(piece)
    return replace(segment, offset_bytes=offset_bytes)
