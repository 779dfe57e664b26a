"""Says why nothing of a file could be decoded. Runs in the child: the input is hostile.

Sources: the ASF specification §3.14 to §3.16 (encryption), ISO/IEC 13818-1 §2.4.3.3, §2.4.3.7 (scrambling control),
§2.4.4.9 (program map) and table 2-34 (stream types); FFmpeg's libavformat/mpegts.c for the types that discs use.
"""

from collections.abc import Iterator

from video2mp3.engine.child.refusals.mp4_reasons import mp4_reason
from video2mp3.engine.containers.declared_size import declared_size
from video2mp3.engine.containers.window import ReadAt
from video2mp3.errors import CorruptAudio, EncryptedAudio, IncompleteFile, MediaError, UndecodableAudio

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
_UNDECODED_TYPES = {0x2D: "MPEG-H 3D Audio", 0x2E: "MPEG-H 3D Audio"}
_OF_DISCS = {0x85: "DTS-HD", 0x86: "DTS-HD Master Audio", 0x88: "DTS-UHD", 0xA2: "DTS-HD"}
"""Types that FFmpeg takes for audio only where the program map says that it is of a disc (HDMV)."""


def better_reason(error: MediaError, read_at: ReadAt, size_bytes: int) -> MediaError:
    """Returns the error that explains why a file gave no sound; `error` itself if there is no better one."""
    if reason := mp4_reason(read_at, size_bytes) or _ts_reason(error, read_at):
        return reason
    if type(error) in (EncryptedAudio, UndecodableAudio):
        return error
    declared = declared_size(read_at, size_bytes)
    if declared is not None and declared > size_bytes:
        return IncompleteFile("The file was cut short before its audio begins; check that it was copied whole.")
    return error


def _undecoded(types: set[int]) -> str | None:
    """Returns the audio codec that a transport stream has, if it has none with a decoder."""
    if types & (_DECODED_TYPES - _OF_DISCS.keys()):
        return None
    return next((codec for kind, codec in (_UNDECODED_TYPES | _OF_DISCS).items() if kind in types), None)


def _ts_reason(error: MediaError, read_at: ReadAt) -> MediaError | None:
    if _is_scrambled_ts(read_at):
        return EncryptedAudio()
    types = _ts_stream_types(read_at)
    if codec := _undecoded(types):
        return UndecodableAudio(f"There is no decoder for {codec}, the audio of this transport stream.")
    is_guessed = isinstance(error, CorruptAudio) and types and not types & _DECODED_TYPES
    return UndecodableAudio() if is_guessed else None


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


def _ts_stream_types(read_at: ReadAt) -> set[int]:
    """Returns the types of the streams of a transport stream; FFmpeg guesses for those it does not know, often MP3."""
    head = read_at(0, _HEAD_BYTES)
    whole = len(head) // _TS_PACKET_BYTES * _TS_PACKET_BYTES
    packets = (head[place : place + _TS_PACKET_BYTES] for place in range(0, whole, _TS_PACKET_BYTES))
    return {kind for packet in packets if packet[:1] == b"G" for kind in _stream_types(packet)}


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
