"""Says why nothing of a file could be decoded. Runs in the child: the input is hostile.

Sources: ISO/IEC 14496-12 §8.7.2 (data references), Apple's QuickTime File Format (reference movies), the ASF
specification §3.14 to §3.16 (encryption), ISO/IEC 13818-1 §2.4.3.3,
§2.4.3.7 (scrambling control) and §2.4.4.9 (program map).
"""

from collections.abc import Iterator
from itertools import islice

from video2mp3.engine.containers import mp4
from video2mp3.engine.containers.declared_size import declared_size
from video2mp3.engine.containers.window import Malformed, Missing, ReadAt, Window
from video2mp3.errors import CorruptAudio, EncryptedAudio, IncompleteFile, MediaError, ReferenceMovie, UndecodableAudio

_MAX_STEPS = 10_000
_HEAD_BYTES = 256 * 1024
_TS_PACKET_BYTES = 188
_PACK_START = b"\0\0\1\xba"
_SOUND_IDS = (0xBD, *range(0xC0, 0xE0))
_PACK_BYTES = 2048
"""DVDs have one pack per sector."""
_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ENCRYPTION = tuple(
    map(
        bytes.fromhex,
        ("fbb3112223bdd211b4b700a0c955fc6e", "14e68a292226174cb935dae07ee9289c", "b69b077aa4da124ea5ca91d38dc11a8d"),
    )
)
_DECODED_TYPES = frozenset((0x03, 0x04, 0x06, 0x0F, 0x11, 0x1C, *range(0x80, 0x89), 0xA1, 0xA2))
_SELF_CONTAINED = 1
_EMPTY_REFERENCE_BYTES = 12
_MAX_REFERENCES = 10


def better_reason(error: MediaError, read_at: ReadAt, size_bytes: int) -> MediaError:
    """Returns the error that explains why a file gave no sound; `error` itself if there is no better one."""
    if _is_reference_movie(read_at, size_bytes):
        return ReferenceMovie()
    if _is_scrambled_ts(read_at):
        return EncryptedAudio()
    if isinstance(error, CorruptAudio) and _has_unknown_ts_stream(read_at):
        return UndecodableAudio()
    declared = declared_size(read_at, size_bytes)
    if declared is not None and declared > size_bytes:
        return IncompleteFile("The file was cut short before its audio begins; check that it was copied whole.")
    return error


def is_protected(read_at: ReadAt) -> bool:
    """Returns whether this is a Windows Media file or DVD with copy protection, which FFmpeg would decode as noise."""
    return _is_encrypted_asf(read_at) or _is_scrambled_ps(read_at)


def _is_encrypted_asf(read_at: ReadAt) -> bool:
    if read_at(0, 16) != _HEADER:
        return False
    head = read_at(0, min(_HEAD_BYTES, int.from_bytes(read_at(16, 8), "little")))
    return any(guid in head for guid in _ENCRYPTION)


def _is_scrambled_ts(read_at: ReadAt) -> bool:
    head = read_at(0, _HEAD_BYTES)
    if head[: 2 * _TS_PACKET_BYTES + 1 : _TS_PACKET_BYTES] != b"GGG":
        return False
    controls = head[3::_TS_PACKET_BYTES]
    with_payload = [control for control in controls if control & 0x10]
    return sum(control >= 0x40 for control in with_payload) * 2 > len(with_payload)


def _has_unknown_ts_stream(read_at: ReadAt) -> bool:
    """Returns whether a transport stream has no stream of a type with a decoder; FFmpeg then guesses, often MP3."""
    head = read_at(0, _HEAD_BYTES)
    whole = len(head) // _TS_PACKET_BYTES * _TS_PACKET_BYTES
    packets = (head[place : place + _TS_PACKET_BYTES] for place in range(0, whole, _TS_PACKET_BYTES))
    types = {kind for packet in packets if packet[:1] == b"G" for kind in _stream_types(packet)}
    return bool(types) and not types & _DECODED_TYPES


def _stream_types(packet: bytes) -> Iterator[int]:
    """Yields the stream types of a program map that begins in this packet, which is whole."""
    if not packet[1] & 0x40:
        return
    place = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
    table = packet[place + 1 + packet[place] :] if place < len(packet) else b""
    if table[:1] != b"\x02" or len(table) < 12:
        return
    end = min(len(table), 3 + (int.from_bytes(table[1:3], "big") & 0xFFF) - 4)
    entry = 12 + (int.from_bytes(table[10:12], "big") & 0xFFF)
    while entry + 5 <= end:
        yield table[entry]
        entry += 5 + (int.from_bytes(table[entry + 3 : entry + 5], "big") & 0xFFF)


def _is_scrambled_ps(read_at: ReadAt) -> bool:
    """Returns whether most packets of sound on a DVD are scrambled; programs that decrypt them clear the mark."""
    if read_at(0, 4) != _PACK_START:
        return False
    head = read_at(0, _HEAD_BYTES)
    packs = (head[place : place + _PACK_BYTES] for place in range(0, len(head), _PACK_BYTES))
    marks = [
        pack[20] & 0x30
        for pack in packs
        if len(pack) == _PACK_BYTES and pack[:4] == _PACK_START and pack[14:17] == b"\0\0\1" and pack[17] in _SOUND_IDS
    ]
    return sum(map(bool, marks)) * 2 > len(marks)


def is_quicktime_reference(read_at: ReadAt, size_bytes: int) -> bool:
    """Returns whether this is a QuickTime movie whose audio is in other files; FFmpeg may read noise from this one."""
    head = read_at(0, 12)
    is_quicktime = head[4:8] in mp4.TOP_LEVEL_KINDS and (head[4:8] != b"ftyp" or head[8:] == b"qt  ")
    return is_quicktime and _is_reference_movie(read_at, size_bytes)


def _is_reference_movie(read_at: ReadAt, size_bytes: int) -> bool:
    if read_at(4, 4) not in mp4.TOP_LEVEL_KINDS:
        return False
    window = Window(read_at, size_bytes, size_bytes, _MAX_STEPS)
    try:
        moov = next(box for box in mp4.boxes(window, 0, size_bytes) if box.kind == b"moov")
        inside = list(mp4.children(window, moov))
        tracks = [box for box in inside if box.kind == b"trak" and _is_audio(window, box)]
        if not tracks:
            return any(box.kind == b"rmra" for box in inside)
        return all(_is_elsewhere(window, track) for track in tracks)
    except (Malformed, Missing, StopIteration):
        return False


def _is_audio(window: Window, track: mp4.Box) -> bool:
    handler = _find(window, track, b"mdia", b"hdlr")
    return window.read(handler.body + 8, 4) == b"soun"


def _is_elsewhere(window: Window, track: mp4.Box) -> bool:
    """Returns whether the data of a track is in another file."""
    references = _find(window, track, b"mdia", b"minf", b"dinf", b"dref")
    entries = list(islice(mp4.boxes(window, references.body + 8, references.end), _MAX_REFERENCES))
    return bool(entries) and all(
        entry.end - entry.start > _EMPTY_REFERENCE_BYTES and not window.read(entry.body, 4)[3] & _SELF_CONTAINED
        for entry in entries
    )


def _find(window: Window, box: mp4.Box, *path: bytes) -> mp4.Box:
    for kind in path:
        found = next((child for child in mp4.children(window, box) if child.kind == kind), None)
        if found is None:
            raise Malformed
        box = found
    return box
