"""Says why nothing of an MP4 or QuickTime file could be decoded. Runs in the child: the input is hostile.

Sources: ISO/IEC 14496-12 §8.5.2 (sample descriptions), §8.7.2 (data references) and §8.12 (protection), ISO/IEC 23001-7
§8.1 (`pssh`), the DASH-IF's list of protection systems, Apple's QuickTime File Format (reference movies).
"""

from itertools import islice

from video2mp3.engine.containers import mp4
from video2mp3.engine.containers.window import Malformed, Missing, ReadAt, Window
from video2mp3.errors import EncryptedAudio, MediaError, ReferenceMovie, UndecodableAudio

_MAX_STEPS = 10_000
_SELF_CONTAINED = 1
_EMPTY_REFERENCE_BYTES = 12
_MAX_REFERENCES = 10
_MAX_NAME_BYTES = 200
_SYSTEMS = {
    bytes.fromhex("edef8ba979d64acea3c827dcd51d21ed"): "Widevine",
    bytes.fromhex("9a04f07998404286ab92e65be0885f95"): "PlayReady",
    bytes.fromhex("94ce86fb07ff4f43adb893d2fa968ca2"): "FairPlay",
}
_ENCRYPTED = (b"enca", b"drms")


def mp4_reason(read_at: ReadAt, size_bytes: int) -> MediaError | None:
    """Returns why the audio of an MP4 or QuickTime file cannot be decoded; None for other files and reasons."""
    if read_at(4, 4) not in mp4.TOP_LEVEL_KINDS:
        return None
    window = Window(read_at, size_bytes, size_bytes, _MAX_STEPS)
    try:
        moov = next(box for box in mp4.boxes(window, 0, size_bytes) if box.kind == b"moov")
        return _reason(window, list(mp4.children(window, moov)))
    except (Malformed, Missing, StopIteration):
        return None


def quicktime_reference(read_at: ReadAt, size_bytes: int) -> ReferenceMovie | None:
    """Returns the error for a QuickTime movie whose audio is in other files; FFmpeg may read noise from this one."""
    head = read_at(0, 12)
    is_quicktime = head[4:8] in mp4.TOP_LEVEL_KINDS and (head[4:8] != b"ftyp" or head[8:] == b"qt  ")
    reason = mp4_reason(read_at, size_bytes) if is_quicktime else None
    return reason if isinstance(reason, ReferenceMovie) else None


def _reason(window: Window, index: list[mp4.Box]) -> MediaError | None:
    tracks = [box for box in index if box.kind == b"trak" and _is_audio(window, box)]
    if not tracks:
        return ReferenceMovie() if any(box.kind == b"rmra" for box in index) else None
    references = [_elsewhere(window, track) for track in tracks]
    if all(name is not None for name in references):
        return _reference_movie(references[0] or "")
    codecs = [_codec(window, track) for track in tracks]
    if all(codec in _ENCRYPTED for codec in codecs):
        return _encrypted(window, index)
    if not any(codecs):
        return UndecodableAudio(
            "The index of this MP4 or MOV file does not say how its audio is coded (stsd is missing or empty), "
            "so it cannot be decoded; make the file again from its source."
        )
    return None


def _is_audio(window: Window, track: mp4.Box) -> bool:
    handler = _find(window, track, b"mdia", b"hdlr")
    return window.read(handler.body + 8, 4) == b"soun"


def _codec(window: Window, track: mp4.Box) -> bytes:
    """Returns the kind of the first sample entry; nothing if there is none."""
    try:
        table = _find(window, track, b"mdia", b"minf", b"stbl", b"stsd")
    except Malformed:
        return b""
    return next((entry.kind for entry in mp4.boxes(window, table.body + 8, table.end)), b"")


def _encrypted(window: Window, index: list[mp4.Box]) -> EncryptedAudio:
    """Returns the error with the names of the systems that have the key."""
    found = (window.read(box.body + 4, 16) for box in index if box.kind == b"pssh")
    names = sorted({_SYSTEMS[system] for system in islice(found, _MAX_REFERENCES) if system in _SYSTEMS})
    if not names:
        return EncryptedAudio()
    return EncryptedAudio(
        f"The audio is encrypted (DRM: {', '.join(names)}), so it cannot be decoded; "
        "convert a copy without copy protection."
    )


def _elsewhere(window: Window, track: mp4.Box) -> str | None:
    """Returns the name of the file that has the data of a track, nothing if it is not told; None: this file has it."""
    table = _find(window, track, b"mdia", b"minf", b"dinf", b"dref")
    entries = list(islice(mp4.boxes(window, table.body + 8, table.end), _MAX_REFERENCES))
    others = [
        entry
        for entry in entries
        if entry.end - entry.start > _EMPTY_REFERENCE_BYTES and not window.read(entry.body, 4)[3] & _SELF_CONTAINED
    ]
    return _location(window, others[0]) if others and len(others) == len(entries) else None


def _location(window: Window, entry: mp4.Box) -> str:
    if entry.kind != b"url ":
        return ""
    text = window.read_up_to(entry.body + 4, min(entry.end - entry.body - 4, _MAX_NAME_BYTES))
    return text.partition(b"\0")[0].decode("utf-8", "replace")


def _reference_movie(name: str) -> ReferenceMovie:
    if not name:
        return ReferenceMovie()
    return ReferenceMovie(f"The audio is in another file, {name}, that this one only points to; convert that file.")


def _find(window: Window, box: mp4.Box, *path: bytes) -> mp4.Box:
    for kind in path:
        found = next((child for child in mp4.children(window, box) if child.kind == kind), None)
        if found is None:
            raise Malformed
        box = found
    return box
