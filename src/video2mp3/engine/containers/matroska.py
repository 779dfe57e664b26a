"""Walks the elements of Matroska and WebM files. Sources: RFC 8794 (EBML), RFC 9559 (Matroska)."""

from collections.abc import Iterator
from typing import NamedTuple

from video2mp3.engine.containers.window import Malformed, Window

SIGNATURE = b"\x1a\x45\xdf\xa3"
UNKNOWN_END = 1 << 63
"""The end of an element of unknown size."""
_MAX_HEADER_BYTES = 4 + 8
_MAX_ID_BYTES = 4
_MAX_NUMBER_BYTES = 8


class Element(NamedTuple):
    """One element: its id, and the offsets of its content in bytes."""

    kind: int
    body: int
    end: int


def elements(window: Window, start: int, end: int) -> Iterator[Element]:
    """Yields the elements from `start` to `end`; one of unknown size is the last. Raises like `Window.read`."""
    while start < end:
        element = _element_in(window.read_up_to(start, min(_MAX_HEADER_BYTES, end - start)), start)
        yield element
        start = element.end


def children(window: Window, parent: Element) -> Iterator[Element]:
    """Yields the elements in an element. Raises like `Window.read`, and Malformed if one exceeds its parent."""
    for element in elements(window, parent.body, parent.end):
        if element.end > parent.end:
            raise Malformed
        yield element


def value(window: Window, element: Element) -> bytes:
    """Returns the content of a numeric element, at most 8 bytes. Raises like `Window.read`."""
    size = element.end - element.body
    if size > _MAX_NUMBER_BYTES:
        raise Malformed
    return window.read(element.body, size)


def _element_in(header: bytes, start: int) -> Element:
    id_width = _width(header, 0)
    size_width = _width(header, id_width)
    if id_width > _MAX_ID_BYTES or id_width + size_width > len(header):
        raise Malformed
    body = start + id_width + size_width
    unknown = (1 << 7 * size_width) - 1
    size = int.from_bytes(header[id_width : id_width + size_width], "big") & unknown
    return Element(int.from_bytes(header[:id_width], "big"), body, UNKNOWN_END if size == unknown else body + size)


def _width(header: bytes, place: int) -> int:
    """Returns the length of a variable-size integer, from its leading zero bits."""
    if place >= len(header) or not header[place]:
        raise Malformed
    return 9 - header[place].bit_length()
