"""Joins MP3 streams that were encoded apart into one, in the bit reservoir.

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
    """How a seam was made; each is tried only where none before it can be had at the same cut."""

    FITTED = auto()
    """The right one's data fit into the space that the left one's had left."""
    LEFT_GREW = auto()
    RIGHT_GREW = auto()
    SILENCED = auto()
    """The right one's first frames say nothing: at no cut was there room for what they say."""


@dataclass(frozen=True)
class Seam:
    """Where and how two runs of the same frames are joined."""

    at: int
    """The first frame that is the right one's."""
    left: list[Frame]
    """The left one's last frames before `at`, rewritten."""
    right: list[Frame]
    """The right one's first frames from `at` on, rewritten."""
    joint: Joint


class Stitcher:
    """Joins streams one after the other; holds the last of them."""

    def __init__(self, overlap_frames: int) -> None:
        self._overlap_frames = overlap_frames
        self._held: list[Frame] = []
        self._offset = 0
        """Where in what is held the next stream's first frame is."""
        self._frames_done = 0
        self.seams: list[tuple[int, Joint]] = []
        """For each, the first frame after it."""

    def add(self, stream: bytes, chunk_frames: int) -> bytes:
        """Takes the next chunk's frames, and returns what is final.

        Args:
            stream: the chunk with its overlap, encoded.
            chunk_frames: where in it the next chunk begins.
        """
        right = split(stream)
        if not self._held:
            self._held, self._offset = right, chunk_frames
            return b""
        left = self._held[: self._offset + self._overlap_frames]  # what is beyond it was made of silence
        seam = find_seam(left, right, self._offset)
        self._frames_done += self._offset + seam.at
        self.seams.append((self._frames_done, seam.joint))
        cut = self._offset + seam.at - len(seam.left)
        done = b"".join(frame.data for frame in (*left[:cut], *seam.left))
        self._held = [*seam.right, *right[seam.at + len(seam.right) :]]
        self._offset = chunk_frames - seam.at
        return done

    def finish(self) -> bytes:
        """Returns what is left."""
        held, self._held = self._held, []
        return b"".join(frame.data for frame in held)


def find_seam(left: Sequence[Frame], right: Sequence[Frame], offset: int) -> Seam:
    """Finds the best place to join: there always is one.

    After the cut, what the right one says differently is heard, so the fewer such frames, the better. It would sound
    worst where the two had different windows before the cut, which must add up over it.

    Args:
        left: frames of the left one; none that was made of anything but the common audio.
        right: frames of the right one, two at least.
        offset: where in `left` the frame is that `right` begins with.
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
    """Returns, for each frame, how many from there on do not say the same in both runs."""
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
    """The right one's first frame grows: what does not fit before it moves into it, and nothing after it moves."""
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
    """Silences the right one's frames whose data begin before the cut."""
    silenced, behind = [], 0
    for frame in right[at:]:
        if frame.main_data_begin <= behind:
            break
        silenced.append(frame.silent(behind))
        behind += frame.main_size
    return Seam(at, [], silenced, Joint.SILENCED)


def _tail(frames: Sequence[Frame], size: int) -> list[Frame] | None:
    """Returns the last frames whose main data hold the last `size` bytes, one at least; None when there are too few."""
    start, held = len(frames) - 1, frames[-1].main_size
    while held < size:
        if start == 0:
            return None
        start -= 1
        held += frames[start].main_size
    return list(frames[start:])


def _write_back(frames: list[Frame], data: bytes, room: int) -> list[Frame]:
    """Writes `data` to the end of the frames' main data, and zeros into the rest of the `room` there."""
    stream = b"".join(frame.main_data for frame in frames)
    stream = stream[: len(stream) - room] + bytes(room - len(data)) + data
    written, position = [], 0
    for frame in frames:
        written.append(frame.with_main_data(stream[position : position + frame.main_size]))
        position += frame.main_size
    return written
