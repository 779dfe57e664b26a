"""Files that are not converted are refused with their kind, or with what is wrong with them."""

import gzip
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.converting import converted, make
from video2mp3.engine.child.refusals.soundless import _has_unknown_ts_stream
from video2mp3.engine.refused_formats import REFUSED, SIGNATURE_BYTES, RefusedFormat
from video2mp3.errors import EmptyAudio, EncryptedAudio, IncompleteFile, MediaError, ReferenceMovie, UnsupportedFormat

SIGNED = [
    pytest.param(refused, signature, id=f"{refused.what}-{signature[1][:12]!r}")
    for refused in REFUSED
    for signature in refused.signatures
]
SUBTITLE = b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\n\r\n"
BY_CONTENT = {
    "a web page": b"\n<!-- saved -->\n<HTML><body>404</body></HTML>",
    "a DASH manifest": b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>',
    "a playlist": b'<?xml version="1.0"?><playlist version="1" xmlns="http://xspf.org/ns/0/"/>',
    "a subtitle or lyrics file": SUBTITLE,
    "a text file": "﻿Grüße\n".encode("utf-16"),
    "a BitTorrent file": b"d8:encoding5:UTF-84:infod6:lengthi1eee",
    "a Premiere Pro project": gzip.compress(b'<?xml version="1.0"?><PremiereData Version="3"/>'),
    "an Ableton Live set": gzip.compress(b'<?xml version="1.0"?><Ableton Creator="Live"/>'),
    "a video project": b'<?xml version="1.0"?><mlt LC_NUMERIC="C"/>',
    "an Audacity project": b'<?xml version="1.0"?><project xmlns="http://audacity.sourceforge.net/xml/"/>',
    "a disc image": bytes(32768) + b"\x01CD001\x01",
    "an old Musepack file (SV4 to SV6)": b"MP+\x05" + bytes(range(256)),
    "a compressed file": gzip.compress(b"words"),
}


def refusal_of(data: bytes, folder: Path) -> MediaError:
    path = folder / "video.mp4"
    path.write_bytes(data)
    with pytest.raises(MediaError) as caught:
        converted(path, folder / "out.mp3")
    return caught.value


@pytest.mark.parametrize(("refused", "signature"), SIGNED)
def test_a_known_kind_of_file_is_refused_by_its_name(
    refused: RefusedFormat, signature: tuple[int, bytes], tmp_path: Path
) -> None:
    offset, magic = signature
    assert offset + len(magic) <= SIGNATURE_BYTES
    head = bytearray(b"RIFF\0\0\0\0" + b"\1" * SIGNATURE_BYTES)
    head[offset : offset + len(magic)] = magic
    error = refusal_of(bytes(head), tmp_path)
    assert error.detail == f"This is {refused.what}, which is not converted. {refused.advice}"
    assert isinstance(error, EncryptedAudio) == refused.protected


@pytest.mark.parametrize("what", BY_CONTENT)
def test_a_file_without_a_signature_is_recognized_by_its_content(what: str, tmp_path: Path) -> None:
    assert f"This is {what}, which" in refusal_of(BY_CONTENT[what], tmp_path).detail


def test_an_audacity_project_is_told_from_other_databases(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.aup3") as database:
        database.execute("PRAGMA application_id = 1096107097")
        database.execute("CREATE TABLE project (id)")
    database.close()
    assert "an Audacity project" in refusal_of((tmp_path / "a.aup3").read_bytes(), tmp_path).detail


def test_a_demuxer_that_is_not_allowed_gives_its_name(tmp_path: Path) -> None:
    path = make(tmp_path / "a.adx", "-f", "lavfi", "-i", "sine=duration=1:sample_rate=8000")
    assert "CRI ADX" in refusal_of(path.read_bytes(), tmp_path).detail


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An MP4 whose index is behind its data."""
    path = tmp_path_factory.mktemp("movie") / "a.mp4"
    return make(path, "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac").read_bytes()


REFERENCE = b"\0\0\0\x28moov\0\0\0\x20rmra\0\0\0\x18rmda\0\0\0\x10rdrf" + bytes(8)
FLAC_HEADER = bytes.fromhex("100010000000000000000ac442f000000000") + bytes(16)
REASONS: dict[str, tuple[Callable[[bytes], bytes], type[MediaError], str]] = {
    "cut in its data": (lambda data: data[: len(data) // 2], IncompleteFile, "copied whole"),
    "cut before its index": (lambda data: data[: data.index(b"moov") - 4], IncompleteFile, "no index"),
    "index damaged": (lambda data: data.replace(b"trak", b"kart"), MediaError, "no audio track"),
    "protected track": (lambda data: data.replace(b"mp4a", b"drms"), EncryptedAudio, "encrypted"),
    "protected by its brand": (lambda data: data.replace(b"isom", b"M4P ", 1), EncryptedAudio, "iTunes"),
    "data elsewhere": (lambda data: with_data_elsewhere(data), ReferenceMovie, "points to other files"),
    "reference movie": (lambda data: REFERENCE, ReferenceMovie, "points to other files"),
    "zeros": (lambda data: bytes(len(data)), UnsupportedFormat, "only zeros"),
    "nothing": (lambda data: b"", UnsupportedFormat, "0 bytes"),
    "no sound in it": (lambda data: b"fLaC\x80\0\0\x22" + FLAC_HEADER, EmptyAudio, "empty"),
}


def with_data_elsewhere(movie: bytes) -> bytes:
    """Lets the track of an old QuickTime movie refer to the data of another file."""
    entry = b"\0\0\0\x14url \0\0\0\0another!"
    changed = bytearray(movie.replace(b"\0\0\0\x0curl \0\0\0\x01", entry).replace(b"ftypisom", b"ftypqt  "))
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        place = changed.index(kind) - 4
        changed[place : place + 4] = (int.from_bytes(changed[place : place + 4], "big") + 8).to_bytes(4, "big")
    return bytes(changed)


@pytest.mark.parametrize("kind", REASONS)
def test_a_file_that_gives_no_sound_is_refused_with_the_reason(kind: str, movie: bytes, tmp_path: Path) -> None:
    change, error, said = REASONS[kind]
    found = refusal_of(change(movie), tmp_path)
    assert isinstance(found, error), found
    assert said in found.detail


def scrambled_ts(data: bytes) -> bytes:
    """Marks the payload of all packets but the tables as scrambled, and changes it."""
    packets = [bytearray(data[place : place + 188]) for place in range(0, len(data), 188)]
    for packet in packets:
        if (int.from_bytes(packet[1:3], "big") & 0x1FFF) == 0x100:
            start = 5 + packet[4] if packet[3] & 0x20 else 4
            packet[3] |= 0x80
            packet[start:] = bytes(byte ^ 0x5A for byte in packet[start:])
    return b"".join(packets)


def scrambled_vob(data: bytes) -> bytes:
    """Marks the packets of sound as scrambled, and changes them."""
    packs = [bytearray(data[place : place + 2048]) for place in range(0, len(data), 2048)]
    for pack in packs:
        if pack[14:18] == b"\0\0\1\xbd":
            pack[20] |= 0x10
            pack[40:] = bytes(byte ^ 0x5A for byte in pack[40:])
    return b"".join(packs)


PROTECTED: dict[str, tuple[list[str], Callable[[bytes], bytes]]] = {
    "ts": (["-c:a", "mp2"], scrambled_ts),
    "vob": (["-c:a", "ac3", "-f", "vob"], scrambled_vob),
    "wma": (
        ["-c:a", "wmav2"],
        lambda data: data.replace(
            bytes.fromhex("4052d1861d31d011a3a400a0c90348f6"), bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")
        ),
    ),
}


@pytest.mark.parametrize("kind", PROTECTED)
def test_copy_protection_is_told_from_damage(kind: str, tmp_path: Path) -> None:
    arguments, protect = PROTECTED[kind]
    data = make(tmp_path / f"a.{kind}", "-f", "lavfi", "-i", "sine=duration=3", *arguments).read_bytes()
    protected = protect(data)
    assert protected != data
    assert isinstance(refusal_of(protected, tmp_path), EncryptedAudio)


@pytest.mark.parametrize("rest", [b"G", b"GG", b"G\x40\x00\x20", b"G" * 187])
def test_a_transport_stream_may_end_within_a_packet(rest: bytes) -> None:
    """It should be looked through as far as it has whole packets."""
    head = b"G" + bytes(187) + rest
    assert not _has_unknown_ts_stream(lambda offset, size: head[offset : offset + size])
