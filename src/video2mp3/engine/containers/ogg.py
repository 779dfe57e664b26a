"""Finds the links of a chained Ogg file. Source: RFC 3533 §4 and §6. Runs in the sandboxed child only."""

from typing import NamedTuple

from video2mp3.engine.containers.window import ReadAt

SIGNATURE = b"OggS"
_HEADER_BYTES = 27
_MAX_HEADER_BYTES = _HEADER_BYTES + 255
_SEARCH_BYTES = 64 * 1024
_MAX_PAGE_BYTES = _MAX_HEADER_BYTES + 255 * 255
_MAX_STREAMS = 100


class Page(NamedTuple):
    """One page: the number of its stream, whether it is the first of it, and where it ends."""

    serial: bytes
    is_first: bool
    end: int


def page_at(read_at: ReadAt, start: int) -> Page | None:
    """Returns the page that starts there, if one does. Raises the errors of `read_at`."""
    header = read_at(start, _MAX_HEADER_BYTES)
    if header[:4] != SIGNATURE or len(header) < _HEADER_BYTES:
        return None
    segments = header[_HEADER_BYTES : _HEADER_BYTES + header[26]]
    return Page(header[14:18], bool(header[5] & 2), start + _HEADER_BYTES + len(segments) + sum(segments))


def last_page(read_at: ReadAt, size_bytes: int) -> Page | None:
    """Returns the page that starts last, if its header is whole. Reads the end of the file."""
    tail_start = max(0, size_bytes - _MAX_PAGE_BYTES)
    last = read_at(tail_start, _MAX_PAGE_BYTES).rfind(SIGNATURE)
    return page_at(read_at, tail_start + last) if last >= 0 else None


def is_chained(read_at: ReadAt, size_bytes: int) -> bool:
    """Returns whether the last page belongs to another link than the first. Reads the end of the file."""
    serials, place = set(), 0
    for _ in range(_MAX_STREAMS):
        page = page_at(read_at, place)
        if page is None or not page.is_first:
            break
        serials.add(page.serial)
        place = page.end
    page = last_page(read_at, size_bytes)
    return bool(serials) and page is not None and page.serial not in serials


class Link:
    """Walks over the pages of one link, as far as it is read."""

    def __init__(self, read_at: ReadAt, start: int) -> None:
        self._read_at = read_at
        self._place = start
        self._has_data = False
        self.end: int | None = None
        """Where the next link starts; None: it was not reached."""

    def limit(self, end: int) -> int:
        """Returns where the bytes up to `end` stop belonging to this link. Raises the errors of `read_at`."""
        while self.end is None and self._place < end:
            page = page_at(self._read_at, self._place)
            if page is None:
                following = self._read_at(self._place + 1, _SEARCH_BYTES).find(SIGNATURE)
                self._place += 1 + following if following >= 0 else _SEARCH_BYTES - len(SIGNATURE)
            elif page.is_first and self._has_data:
                self.end = self._place
            else:
                self._has_data |= not page.is_first
                self._place = page.end
        return end if self.end is None else min(end, self.end)
