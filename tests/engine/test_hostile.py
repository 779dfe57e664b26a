"""Files made to harm: each gets a clear code, and none makes the engine open anything else."""

import random
import socket
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.sounds import tone, wav_with, write_wav
from tests.media import corpus_file
from tests.servers import require_program
from video2mp3.engine import FileSource, Limits, Report, convert, probe
from video2mp3.errors import UnsupportedFormat, Video2mp3Error


def outcome_of(path: Path, limits: Limits = Limits()) -> Report | str:  # noqa: B008 frozen
    """The report, or the error's code."""
    with FileSource(path) as source, tempfile.TemporaryFile() as sink:
        try:
            return convert(source, sink, limits=limits)
        except Video2mp3Error as error:
            return error.code


def outcome_of_bytes(data: bytes, folder: Path, limits: Limits = Limits()) -> Report | str:  # noqa: B008 frozen
    path = folder / "innocent.mp4"
    path.write_bytes(data)
    return outcome_of(path, limits)


class Canary:
    """An HTTP server on loopback that counts who comes."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.visits = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            self.visits += 1
            visitor.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            visitor.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    canary = Canary()
    yield canary
    canary.close()


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n",
    "hls with a map": '#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-MAP:URI="{url}"\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n',
    "concat": "ffconcat version 1.0\nfile {url}\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT10S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>'
    '<AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>{url}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
    "url list": "{url}\n",
    "sbagen": "-SE\n# {url}\nNOW a\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_under_an_innocent_name_reaches_nothing(kind: str, canary: Canary, tmp_path: Path) -> None:
    secret = write_wav(tmp_path / "secret.wav", 44100)
    for url in (f"http://127.0.0.1:{canary.port}/x.ts", str(secret), secret.as_uri(), "secret.wav"):
        text = PLAYLISTS[kind].format(url=url, port=canary.port)
        assert outcome_of_bytes(text.encode(), tmp_path) == "unsupported_format"  # had it opened secret.wav: an MP3
    with FileSource(tmp_path / "innocent.mp4") as source, pytest.raises(UnsupportedFormat):
        probe(source)
    assert canary.visits == 0


def test_the_canary_sings_for_whoever_follows_the_playlist(canary: Canary, tmp_path: Path) -> None:
    playlist = tmp_path / "playlist.m3u8"
    playlist.write_text(PLAYLISTS["hls"].format(url=f"http://127.0.0.1:{canary.port}/x.ts"))
    command = [require_program("ffmpeg"), "-v", "quiet", "-protocol_whitelist", "file,http,tcp", "-i", str(playlist)]
    subprocess.run([*command, "-f", "null", "-"], check=False, timeout=60)
    assert canary.visits > 0


NO_MEDIA = {
    "nothing": b"",
    "one byte": b"x",
    "zeros": bytes(100_000),
    "noise": random.Random(1).randbytes(200_000),
    "text": b"To whom it may concern,\n" * 1000,
    "html": b"<!doctype html><html><body>404</body></html>",
    "a PNG": b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBBI", 13, b"IHDR", 1, 1, 8, 2, 0, 0, 0, 0x907753DE),
    "a ZIP": b"PK\x03\x04" + bytes(500),
    "a program": b"\x7fELF\x02\x01\x01" + bytes(500),
}


@pytest.mark.parametrize("kind", NO_MEDIA)
def test_what_is_not_media_is_called_so(kind: str, tmp_path: Path) -> None:
    assert outcome_of_bytes(NO_MEDIA[kind], tmp_path) == "unsupported_format"


IMPOSSIBLE = {
    "65,535 channels": wav_with(bytes(200_000), channels=65_535),
    "200 channels": wav_with(bytes(200_000), channels=200),
    "2 GHz": wav_with(bytes(2000), rate_hz=2_000_000_000),
    "0 Hz": wav_with(bytes(2000), rate_hz=0),
    "no samples": wav_with(b""),
}


@pytest.mark.parametrize("kind", IMPOSSIBLE)
def test_what_cannot_be_sound_has_a_clear_code(kind: str, tmp_path: Path) -> None:
    assert outcome_of_bytes(IMPOSSIBLE[kind], tmp_path) in ("corrupt_audio", "empty_audio", "unsupported_format")


def test_the_length_limit_counts_decoded_seconds(tmp_path: Path) -> None:
    sound = wav_with(tone(8000 * 20))
    assert outcome_of_bytes(sound, tmp_path, Limits(max_audio_s=10)) == "audio_too_long"
    assert isinstance(outcome_of_bytes(sound, tmp_path, Limits(max_audio_s=21)), Report)
    claims_an_hour = wav_with(tone(8000), claimed_bytes=2 * 8000 * 3600)
    assert isinstance(outcome_of_bytes(claims_an_hour, tmp_path, Limits(max_audio_s=10)), Report)


@pytest.mark.parametrize(("kind", "bits", "code"), [("float", 32, "f"), ("double", 64, "d")])
def test_what_is_not_a_number_becomes_silence(kind: str, bits: int, code: str, tmp_path: Path) -> None:
    values = [0.25, float("nan"), float("inf"), float("-inf")] * 2000
    sound = wav_with(struct.pack(f"<{len(values)}{code}", *values), bits=bits, kind=3)
    report = outcome_of_bytes(sound, tmp_path)
    assert isinstance(report, Report)
    assert report.samples == len(values)


def test_a_hostile_title_is_one_clean_line(tmp_path: Path) -> None:
    path = tmp_path / "x\r\n\x1b[31m.wav"
    path.write_bytes(wav_with(tone(800)))
    report = outcome_of(path)
    assert isinstance(report, Report)
    assert report.title is not None
    assert report.title.isprintable()


@pytest.mark.parametrize("seed", range(24))
def test_damaged_files_end_in_an_mp3_or_a_code(seed: int, tmp_path: Path) -> None:
    paths = (
        "mp4/sample.mp4",
        "mkv/sample.mkv",
        "ts/sample_eac3.ts",
        "ogg/bear_flac.ogg",
        "flac/bear.flac",
        "avi/sample-with-large-length.avi",
    )
    data = bytearray(corpus_file(paths[seed % len(paths)]).read_bytes())
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 60)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    outcome = outcome_of_bytes(bytes(data), tmp_path, Limits(wall_clock_s=30))
    allowed = ("unsupported_format", "no_audio", "undecodable_audio", "engine_crashed", "engine_error")
    assert isinstance(outcome, Report) or outcome in allowed
