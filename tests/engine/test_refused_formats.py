"""Files that are not converted are refused with their kind, or with what is wrong with them."""

import gzip
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.converting import converted, make
from video2mp3.engine.child.refusals.soundless import _ts_stream_types
from video2mp3.engine.refused_formats import REFUSED, SIGNATURE_BYTES, RefusedFormat
from video2mp3.errors import (
    EmptyAudio,
    EncryptedAudio,
    IncompleteFile,
    MediaError,
    ReferenceMovie,
    UndecodableAudio,
    UnsupportedFormat,
)

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
    "data elsewhere": (lambda data: with_data_elsewhere(data), ReferenceMovie, "in another file, another!, that"),
    "MP4's data elsewhere": (
        lambda data: with_data_elsewhere(without_data(data), b"isom"),
        ReferenceMovie,
        "another file, another!",
    ),
    "no description": (lambda data: data.replace(b"stsd", b"free"), UndecodableAudio, "stsd is missing or empty"),
    "reference movie": (lambda data: REFERENCE, ReferenceMovie, "points to other files"),
    "zeros": (lambda data: bytes(len(data)), UnsupportedFormat, "only zeros"),
    "nothing": (lambda data: b"", UnsupportedFormat, "0 bytes"),
    "no sound in it": (lambda data: b"fLaC\x80\0\0\x22" + FLAC_HEADER, EmptyAudio, "empty"),
}


def without_data(movie: bytes) -> bytes:
    start = movie.index(b"mdat")
    end = start - 4 + int.from_bytes(movie[start - 4 : start], "big")
    return movie[: start + 4] + bytes(end - start - 4) + movie[end:]


def with_data_elsewhere(movie: bytes, brand: bytes = b"qt  ") -> bytes:
    """Lets the track of an old QuickTime movie, or of another brand, refer to the data of another file."""
    entry = b"\0\0\0\x14url \0\0\0\0another!"
    changed = bytearray(movie.replace(b"\0\0\0\x0curl \0\0\0\x01", entry).replace(b"ftypisom", b"ftyp" + brand))
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


WIDEVINE, PLAYREADY = "edef8ba979d64acea3c827dcd51d21ed", "9a04f07998404286ab92e65be0885f95"


@pytest.mark.parametrize(
    ("systems", "said"),
    [((), "encrypted (DRM), so"), ((WIDEVINE,), "(DRM: Widevine), so"), ((WIDEVINE, PLAYREADY), "PlayReady, Widevine")],
)
def test_encryption_is_named_with_its_systems(systems: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """It should be the common encryption of streaming services."""
    scheme = ["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "0" * 32, "-encryption_kid", "1" * 32]
    path = make(tmp_path / "a.mp4", "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", *scheme)
    data = path.read_bytes()
    place = data.index(b"moov") - 4
    end = place + int.from_bytes(data[place : place + 4], "big")
    boxes = b"".join(b"\0\0\0\x20pssh" + bytes(4) + bytes.fromhex(system) + bytes(4) for system in systems)
    size = (end - place + len(boxes)).to_bytes(4, "big")
    error = refusal_of(data[:place] + size + data[place + 4 : end] + boxes + data[end:], tmp_path)
    assert isinstance(error, EncryptedAudio)
    assert said in error.detail


def with_stream_type(data: bytes, kind: int) -> bytes:
    """Gives the sound of a transport stream another type, and bytes that are not of its codec."""
    packets = [bytearray(data[place : place + 188]) for place in range(0, len(data), 188)]
    for packet in packets:
        start = 5 + packet[4] if packet[3] & 0x20 else 4
        table = packet[start + 1 :]
        if table[:1] == b"\x02" and packet[1] & 0x40:  # the program map
            end = 3 + (int.from_bytes(table[1:3], "big") & 0xFFF)
            table[12] = kind
            table[end - 4 : end] = crc_of(bytes(table[: end - 4])).to_bytes(4, "big")
            packet[start + 1 :] = table
        elif (int.from_bytes(packet[1:3], "big") & 0x1FFF) == 0x100:
            start += 14 if packet[1] & 0x40 else 0
            packet[start:] = bytes((byte * 7 + 3) & 0x7F for byte in range(188 - start))
    return b"".join(packets)


def crc_of(data: bytes) -> int:
    """CRC-32/MPEG-2. Source: ISO/IEC 13818-1, annex A."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
    return crc


@pytest.mark.parametrize(
    ("kind", "codec"), [(0x2D, "MPEG-H 3D Audio"), (0x2E, "MPEG-H 3D Audio"), (0x86, "DTS-HD"), (0x85, "DTS-HD")]
)
def test_audio_of_a_transport_stream_without_a_decoder_is_named(kind: int, codec: str, tmp_path: Path) -> None:
    data = make(tmp_path / "a.ts", "-f", "lavfi", "-i", "sine=duration=3", "-c:a", "mp2").read_bytes()
    error = refusal_of(with_stream_type(data, kind), tmp_path)
    assert isinstance(error, UndecodableAudio)
    assert f"There is no decoder for {codec}" in error.detail


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
    assert not _ts_stream_types(lambda offset, size: head[offset : offset + size])
