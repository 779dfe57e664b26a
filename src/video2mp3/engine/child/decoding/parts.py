"""A track that goes on in another stream: in the next link of a chained Ogg file, or with another PID in MPEG-TS.

libavformat returns the streams that it found at the start of a file, so the next part is opened as a separate file.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard

from video2mp3.engine.child.decoding.decode import TrackDecoder, demux
from video2mp3.engine.child.timeline import Clock
from video2mp3.engine.containers.ogg import Link
from video2mp3.engine.formats import DECODERS
from video2mp3.engine.source import SourceFile
from video2mp3.errors import UnsupportedFormat

_MAX_PARTS = 10_000
_MAX_LOST_LINKS = 100
_TS_PACKET_BYTES = 188
_TS_PACKET_SIZES = (188, 192, 204)
_TS_SYNC = 0x47
_SEARCHED_TS_BYTES = 4 * 1024**2
_LEAST_TS_BYTES = 16 * 1024
"""Less between two packets, or after the last one, holds no other stream."""
_MANY_TS_BYTES = 1024**2
_TS_GAP_S = 0.5
"""With such a gap, jump back, or that many bytes between two packets, there may have been another PID meanwhile."""
_MAX_TS_SEARCHES = 100

Packet: TypeAlias = "av.Packet[AudioStream]"


@dataclass(frozen=True)
class Part:
    """A part of the file: its container, the stream that holds the track, and the offset in bytes."""

    container: InputContainer
    stream: AudioStream
    start: int = 0
    link: Link | None = None


class Parts:
    """Reads the packets of a track from all parts of a file."""

    def __init__(
        self, file: SourceFile, size_bytes: int, place: int, open_part: Callable[[SourceFile, str], InputContainer]
    ) -> None:
        """Reads nothing yet.

        Args:
            file: the whole file.
            size_bytes: its size.
            place: index of the audio track.
            open_part: opens a file with a demuxer; raises UnsupportedFormat.
        """
        self._file = file
        self._size_bytes = size_bytes
        self._place = place
        self._open_part = open_part
        self._searches_left = _MAX_TS_SEARCHES
        self._many_ts_bytes = _MANY_TS_BYTES
        self.lost_links = 0
        """Links of an Ogg file without sound that can be decoded."""
        self.pids: set[int] = set()
        """The other PIDs with which the track went on so far."""

    def packets(self, first: Part) -> Iterator[Packet]:
        """Yields the packets of the track from its first part on; an empty one ends each part. Raises like PyAV."""
        part: Part | None = first
        for _ in range(_MAX_PARTS):
            if part is None:
                return
            if part.container.format.name == "mpegts":
                last = yield from self._ts_packets(part)
                part = self._other_pid(part, last, self._size_bytes)
            else:
                yield from demux(part.container, [part.stream])
                part = self._next_link(part)

    def _next_link(self, part: Part) -> Part | None:
        start = part.link.end if part.link else None
        while start is not None and self.lost_links < _MAX_LOST_LINKS:
            link = Link(self._file.look_at, start)
            rest = self._file.part(start, self._size_bytes, link.limit)
            if opened := self._opened(start, rest, "ogg", link):
                return opened
            self.lost_links += 1
            link.limit(self._size_bytes)  # looks for its end
            start = link.end
        return None

    def _ts_packets(self, part: Part) -> Generator[Packet, None, int]:
        """Yields the packets of this part, with those of other PIDs between them; returns the last one's offset."""
        last, end_s = part.start, None
        tick_s = float(part.stream.time_base or 0)
        for packet in demux(part.container, [part.stream]):
            if packet.pos is not None and packet.pts is not None:
                start, at_s = part.start + packet.pos, packet.pts * tick_s
                is_gap = end_s is not None and abs(at_s - end_s) > _TS_GAP_S
                # The map of programs ahead of this packet may name the former PID again: look at the half before.
                if end_s is not None and start - last > (_LEAST_TS_BYTES if is_gap else self._many_ts_bytes):
                    if between := self._other_pid(part, last, start, looked_at=(start - last) // 2):
                        yield from demux(between.container, [between.stream])
                    elif not is_gap:
                        self._many_ts_bytes = 2 * (start - last)  # so much video lies between its packets
                last, end_s = start, at_s + (packet.duration or 0) * tick_s
            yield packet
        return last

    def _other_pid(self, part: Part, last: int, end: int, looked_at: int = 0) -> Part | None:
        """Returns what lies between a packet and `end`, if the track's PID is replaced in the bytes to look at."""
        start = last + _TS_PACKET_BYTES
        if end - start < _LEAST_TS_BYTES or not self._searches_left:
            return None
        if not _has_program_map(self._file.look_at(last, min(looked_at or end - last, _SEARCHED_TS_BYTES))):
            return None
        self._searches_left -= 1
        found = self._opened(start, self._file.part(start, start + looked_at if looked_at else end), "mpegts")
        if found is None or any(stream.id == part.stream.id for stream in found.container.streams):
            return None
        self.pids.add(found.stream.id)
        if not looked_at:
            return found
        return self._opened(start, self._file.part(start, end), "mpegts", pid=found.stream.id)

    def _opened(
        self, start: int, file: SourceFile, demuxer: str, link: Link | None = None, pid: int | None = None
    ) -> Part | None:
        file.sequential = True
        try:
            container = self._open_part(file, demuxer)
        except UnsupportedFormat:
            return None
        streams = [stream for stream in container.streams.audio if pid in (None, stream.id)]
        stream = streams[min(self._place, len(streams) - 1)] if streams else None
        if stream is None or stream.codec_context is None or stream.codec_context.codec.name not in DECODERS:
            return None
        stream.codec_context.thread_count = 1
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all
        return Part(container, stream, start, link)


def _has_program_map(packets: bytes) -> bool:
    """Returns whether MPEG-TS packets name programs, as where a PID is replaced. Source: ISO/IEC 13818-1 §2.4.4.3."""
    for size in _TS_PACKET_SIZES:
        if packets[: 4 * size : size] == bytes([_TS_SYNC]) * 4:
            places = range(0, len(packets) - 2, size)
            return any(not packets[at + 1] & 0x1F and not packets[at + 2] for at in places)
    return False


class PartsDecoder(TrackDecoder):
    """Decodes a track from all parts of a file."""

    def __init__(self, first: Part, parts: Parts, is_cut_short: Callable[[], bool], clock: Clock | None) -> None:
        """Starts at the first packet. `clock` is None if the container has no time stamps."""
        super().__init__(first.container, first.stream, is_cut_short, clock)
        self._first = first
        self._parts = parts

    @property
    def pids(self) -> set[int]:
        """The other PIDs with which the track went on."""
        return self._parts.pids

    def _demux(self) -> Iterator[Packet]:
        yield from self._parts.packets(self._first)
        self.damage.packets += self._parts.lost_links
