"""Joins separately encoded MP3 streams into one, in the bit reservoir.

Two encoders made the same frames in an overlap; the left one's are taken up to the cut, the right one's from there
on. What makes it more than cutting: a frame's main data may begin up to 511 bytes before the frame, in the space
that earlier frames left over (255 bytes in MPEG-2 and 2.5). The bytes that the right one's frame has in its own
predecessors must be written into the left one's last frames, where the left one's frame at the cut, which is thrown
away, had its own. Where that space is too small, a frame grows to a higher bitrate.

Source: ISO/IEC 11172-3 §2.4.1.7 and §2.4.2.7 (side information, main_data_begin), 13818-3 §2.4.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from video2mp3.engine.mp3.frame import Frame, data_before, split


class Joint(Enum):
    """Kinds of seams, in order of preference at the same cut."""

    FITTED = auto()
    """The right stream's data fit into the space that the left stream leaves."""
    LEFT_GREW = auto()
    RIGHT_GREW = auto()
    SILENCED = auto()
    """The right stream's first frames are silenced: no cut has room for their data."""


@dataclass(frozen=True)
class Seam:
    """The position and kind of a seam between two streams."""

    at: int
    """The first frame of the right stream."""
    left: list[Frame]
    """The left stream's last frames before `at`, rewritten."""
    right: list[Frame]
    """The right stream's first frames from `at`, rewritten."""
    joint: Joint


class Stitcher:
    """Joins streams one after the other, and buffers the last one."""

    def __init__(self, overlap_frames: int) -> None:
        self._overlap_frames = overlap_frames
        self._held: list[Frame] = []
        self._offset = 0
        """Position of the next stream's first frame in the buffered frames."""
        self._frames_done = 0
        self.seams: list[tuple[int, Joint]] = []
        """The first frame after each seam."""

    def add(self, stream: bytes, chunk_frames: int) -> bytes:
        """Takes the next chunk's frames, and returns what is final.

        Args:
            stream: the chunk with its overlap, encoded.
            chunk_frames: position of the next chunk's first frame.
        """
        right = split(stream)
        if not self._held:
            self._held, self._offset = right, chunk_frames
            return b""
        left = self._held[: self._offset + self._overlap_frames]  # later frames were encoded from silence
        seam = find_seam(left, right, self._offset)
        self._frames_done += self._offset + seam.at
        self.seams.append((self._frames_done, seam.joint))
        cut = self._offset + seam.at - len(seam.left)
        done = b"".join(frame.data for frame in (*left[:cut], *seam.left))
        self._held = [*seam.right, *right[seam.at + len(seam.right) :]]
        self._offset = chunk_frames - seam.at
        return done

    def finish(self) -> bytes:
        """Returns the remaining bytes."""
        held, self._held = self._held, []
        return b"".join(frame.data for frame in held)


def find_seam(left: Sequence[Frame], right: Sequence[Frame], offset: int) -> Seam:
    """Finds the best position for the seam; there always is one.

    After the cut, differing frames of the right stream are audible, so fewer are better. Different windows before the
    cut would be worst, because they must match across it.

    Args:
        left: frames of the left stream that encode only common audio.
        right: frames of the right stream, at least two.
        offset: position in `left` of the first frame of `right`.
    """
    differing = _differing(left[offset:], right)

    def price(at: int) -> tuple[bool, int, bool, int, int]:
        ours, theirs = left[offset + at - 1], right[at - 1]
        spare = left[offset + at].main_data_begin - right[at].main_data_begin
        return ours.last_windows() != theirs.last_windows(), differing[at - 1], spare < 0, abs(spare), -at

    cuts = sorted(range(1, len(differing)), key=price)
    for at in cuts:
        for make in (_fit, _grow_left, _grow_right):
            if seam := make(left, right, offset, at):
                return seam
    return _silence(right, cuts[0])


def _differing(left: Sequence[Frame], right: Sequence[Frame]) -> list[int]:
    """Returns, for each frame, how many of the frames from there on differ between the streams."""
    counts = [0]
    for ours, theirs in reversed(list(zip(left, right, strict=False))):
        counts.append(counts[-1] + (ours.without_main_data_begin() != theirs.without_main_data_begin()))
    return counts[:0:-1]


def _fit(left: Sequence[Frame], right: Sequence[Frame], offset: int, at: int) -> Seam | None:
    room, need = left[offset + at].main_data_begin, right[at].main_data_begin
    tail = _tail(left[: offset + at], room)
    if tail is None or need > room:
        return None
    return Seam(at, _write_back(tail, data_before(right[:at], need), room), [], Joint.FITTED)


def _grow_left(left: Sequence[Frame], right: Sequence[Frame], offset: int, at: int) -> Seam | None:
    room, need = left[offset + at].main_data_begin, right[at].main_data_begin
    tail = _tail(left[: offset + at], room)
    grown = tail[-1].grown(need - room) if tail and need > room else None
    if tail is None or grown is None:
        return None
    room += len(grown.data) - len(tail[-1].data)
    return Seam(at, _write_back([*tail[:-1], grown], data_before(right[:at], need), room), [], Joint.LEFT_GREW)


def _grow_right(left: Sequence[Frame], right: Sequence[Frame], offset: int, at: int) -> Seam | None:
    """Enlarges the right stream's first frame, which takes the data that does not fit before it."""
    room, need = left[offset + at].main_data_begin, right[at].main_data_begin
    tail = _tail(left[: offset + at], room)
    frame = right[at].grown(need - room) if tail and need > room else None
    if tail is None or frame is None or at + 1 >= len(right):
        return None
    own, next_begin = right[at].main_data, right[at + 1].main_data_begin
    if next_begin > len(own):
        return None
    carried = data_before(right[:at], need)
    mine, following = own[: len(own) - next_begin], own[len(own) - next_begin :]
    added = len(frame.data) - len(right[at].data)
    moved = carried[room:] + mine + bytes(added - (need - room)) + following
    first = frame.with_main_data(moved).with_main_data_begin(room)
    return Seam(at, _write_back(tail, carried[:room], room), [first], Joint.RIGHT_GREW)


def _silence(right: Sequence[Frame], at: int) -> Seam:
    """Silences the right stream's frames whose data begin before the cut."""
    silenced, behind = [], 0
    for frame in right[at:]:
        if frame.main_data_begin <= behind:
            break
        silenced.append(frame.silent(behind))
        behind += frame.main_size
    return Seam(at, [], silenced, Joint.SILENCED)


def _tail(frames: Sequence[Frame], size: int) -> list[Frame] | None:
    """Returns the last frames that hold the last `size` bytes of main data, at least one; None if there are too few."""
    start, held = len(frames) - 1, frames[-1].main_size
    while held < size:
        if start == 0:
            return None
        start -= 1
        held += frames[start].main_size
    return list(frames[start:])


def _write_back(frames: list[Frame], data: bytes, room: int) -> list[Frame]:
    """Writes `data` to the end of the frames' main data, and zeros into the rest of `room`."""
    stream = b"".join(frame.main_data for frame in frames)
    stream = stream[: len(stream) - room] + bytes(room - len(data)) + data
    written, position = [], 0
    for frame in frames:
        written.append(frame.with_main_data(stream[position : position + frame.main_size]))
        position += frame.main_size
    return written
