"""Traps: files that reach for other files and for the network, and bombs of time and of memory.

Each guard is tried alone too: the lists of formats, and the sandbox without them.
"""

import functools
import resource
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.processes import wait_until
from tests.engine.sounds import tone, wav_with
from tests.engine.test_hostile import PLAYLISTS, Canary, outcome_of, outcome_of_bytes
from tests.engine.tracing import needs_strace, trace
from tests.media import make_video
from tests.servers import require_program
from video2mp3.engine import FileSource, Limits, Report, probe
from video2mp3.engine.sandbox.system_calls import this_machine

FOLLOWED_BY_FFMPEG = ("hls", "hls with a map", "concat", "dash")
needs_seccomp = pytest.mark.skipif(this_machine() is None, reason="There is no seccomp here.")


@pytest.fixture
def canary() -> Iterator[Canary]:
    canary = Canary()
    yield canary
    canary.close()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two seconds of H.264 and AAC in MP4."""
    return make_video(tmp_path_factory.mktemp("traps") / "video.mp4", 2).read_bytes()


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A second of a transport stream."""
    return make_video(tmp_path_factory.mktemp("traps") / "secret.ts", 1).read_bytes()


@pytest.fixture
def secret(stream: bytes, tmp_path: Path) -> Path:
    """Somebody else's result, which every playlist can refer to."""
    (tmp_path / "secret.ts").write_bytes(stream)
    return tmp_path / "secret.ts"


def playlist(kind: str, folder: Path, url: str, port: int) -> Path:
    path = folder / "innocent.mp4"
    path.write_text(PLAYLISTS[kind].format(url=url, port=port))
    return path


# -- reaching out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_reaches_neither_files_nor_the_network(
    kind: str, canary: Canary, secret: Path, tmp_path: Path
) -> None:
    for url in (f"http://127.0.0.1:{canary.port}/x.ts", str(secret), secret.as_uri(), secret.name):
        # If the demuxer followed the playlist, the outcome would be an MP3 of the secret.
        assert outcome_of(playlist(kind, tmp_path, url, canary.port)) == "unsupported_format"
    assert canary.visits == 0


def follow(path: Path) -> int:
    """Lets ffmpeg's own program follow what there is to follow, and returns the bytes of sound it got."""
    command = [require_program("ffmpeg"), "-v", "quiet", "-protocol_whitelist", "file,http,tcp"]
    concat = ["-safe", "0"] if path.read_bytes().startswith(b"ffconcat") else []
    if path.read_bytes().startswith(b"#EXTM3U"):
        concat = _hls_without_own_guard(command[0])
    command += [*concat, "-i", str(path), "-f", "s16le", "-"]
    return len(subprocess.run(command, check=False, capture_output=True, timeout=60).stdout)


@functools.cache
def _hls_without_own_guard(ffmpeg: str) -> list[str]:
    """Since version 7.1.1, ffmpeg takes only files with certain extensions for playlists, unless told otherwise."""
    told = subprocess.run([ffmpeg, "-h", "demuxer=hls"], check=True, capture_output=True, text=True).stdout
    return ["-f", "hls", *(["-extension_picky", "0"] if "extension_picky" in told else [])]


@pytest.mark.parametrize("kind", FOLLOWED_BY_FFMPEG)
def test_ffmpeg_without_guards_follows_it_to_the_network(kind: str, canary: Canary, tmp_path: Path) -> None:
    follow(playlist(kind, tmp_path, f"http://127.0.0.1:{canary.port}/x.ts", canary.port))
    assert canary.visits > 0


@pytest.mark.parametrize("kind", ["hls", "concat"])
def test_ffmpeg_without_guards_follows_it_to_a_file(kind: str, canary: Canary, secret: Path, tmp_path: Path) -> None:
    assert follow(playlist(kind, tmp_path, str(secret), canary.port)) > 48_000


def test_ffmpeg_without_guards_listens_where_an_sdp_says(tmp_path: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1] & ~1  # RTP takes an even one
    path = playlist("sdp", tmp_path, "", port)
    command = [require_program("ffmpeg"), "-v", "quiet", "-protocol_whitelist", "file,udp,rtp", "-i", str(path)]

    def is_taken() -> bool:
        with socket.socket(type=socket.SOCK_DGRAM) as other:
            try:
                other.bind(("0.0.0.0", port))
            except OSError:
                return True
            return False

    assert not is_taken()
    with subprocess.Popen([*command, "-f", "null", "-"]) as ffmpeg:
        try:
            wait_until(is_taken)
        finally:
            ffmpeg.kill()


def test_an_image_sequence_is_not_followed(tmp_path: Path) -> None:
    make = [require_program("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x36:rate=2:duration=2"]
    subprocess.run([*make, str(tmp_path / "frame%d.png")], check=True)
    frames = sorted(tmp_path.iterdir())
    assert len(frames) > 2
    shutil.copy(frames[0], tmp_path / "frame%d.mp4")
    shutil.copy(frames[0], tmp_path / "frame%d.png")
    assert outcome_of(tmp_path / "frame%d.png") == "unsupported_format"
    assert outcome_of(tmp_path / "frame%d.mp4") == "unsupported_format"
    (tmp_path / "frame%d.png").unlink()
    follow = [require_program("ffmpeg"), "-v", "error", "-i", str(tmp_path / "frame%d.png"), "-f", "rawvideo", "-"]
    seen = subprocess.run(follow, check=True, capture_output=True).stdout
    assert len(seen) > 2 * 64 * 36 * 3  # ffmpeg without guards has read them all


WITHOUT_THE_LISTS = """
import contextlib, io, sys
from pathlib import Path
import av
from video2mp3.engine import Limits
from video2mp3.engine.sandbox import confine
playlists = [io.BytesIO(Path(name).read_bytes()) for name in sys.argv[3:]]
if sys.argv[1] == "sealed":
    confine.confine(Limits().as_dict(), 0)
    confine.seal()
options = {"protocol_whitelist": "file,http,tcp", "safe": "0", "allowed_extensions": "ALL"}
for playlist in playlists:
    with contextlib.suppress(Exception), av.open(playlist, format=sys.argv[2], container_options=options) as container:
        print(sum(frame.samples for frame in container.decode(audio=0)))
"""


@needs_seccomp
@pytest.mark.parametrize(("kind", "format_"), [("hls", "hls"), ("concat", "concat")])
def test_the_sandbox_alone_stops_it_too(kind: str, format_: str, canary: Canary, secret: Path, tmp_path: Path) -> None:
    """It should not matter that the lists of formats and protocols are missing."""

    remote = f"http://127.0.0.1:{canary.port}/x.ts"
    files = [
        playlist(kind, tmp_path, url, canary.port).rename(tmp_path / f"{number}.mp4")
        for number, url in enumerate((remote, str(secret)))
    ]

    def samples(state: str) -> str:
        program = [sys.executable, "-c", WITHOUT_THE_LISTS, state, format_, *map(str, files)]
        return subprocess.run(program, check=True, capture_output=True, timeout=60).stdout.decode()

    assert samples("sealed") == ""
    assert canary.visits == 0
    assert int(samples("open").split()[-1]) >= 48_000
    assert canary.visits > 0


CONVERTING = """
import sys, tempfile
from video2mp3.engine import FileSource, convert, probe
from video2mp3.errors import UnsupportedFormat
for path in sys.argv[1:]:
    with FileSource(path) as source, tempfile.TemporaryFile() as sink:
        try:
            convert(source, sink)
        except UnsupportedFormat:
            print("not media")
"""


@needs_seccomp
@needs_strace
def test_no_trap_even_tries_to_open_or_connect(canary: Canary, secret: Path, tmp_path: Path) -> None:
    paths = []
    for number, kind in enumerate(PLAYLISTS):
        for url in (f"http://127.0.0.1:{canary.port}/x.ts", str(secret)):
            path = tmp_path / f"innocent{number}{len(url)}.mp4"
            path.write_text(PLAYLISTS[kind].format(url=url, port=canary.port))
            paths.append(str(path))
    traced = trace(CONVERTING, *paths, calls="open,openat,openat2,creat,socket,connect,execve,seccomp")
    assert traced.output.split("\n").count("not media") == traced.sealed == len(paths)
    assert traced.calls == []


# -- bombs of time --------------------------------------------------------------------------------------

MAX_S = 30.0
"""No bomb takes longer, on a slow machine."""


def timed_outcome(data: bytes, folder: Path, limits: Limits) -> Report | str:
    started_s = time.monotonic()
    outcome = outcome_of_bytes(data, folder, limits)
    assert time.monotonic() - started_s < MAX_S
    return outcome


def replace_in_box(data: bytes, name: bytes, offset: int, value: bytes) -> bytes:
    """Overwrites fields of every MP4 box of that name, `offset` bytes after it."""
    data_ = bytearray(data)
    at = data.find(name)
    assert at > 0
    while at > 0:
        data_[at + 4 + offset : at + 4 + offset + len(value)] = value
        at = data.find(name, at + 4)
    return bytes(data_)


def test_a_header_that_claims_1000_hours_costs_nothing(video: bytes, tmp_path: Path) -> None:
    thousand_hours = struct.pack(">I", 1000 * 3600 * 1000)
    data = replace_in_box(video, b"mvhd", 16, thousand_hours)
    data = replace_in_box(data, b"tkhd", 20, thousand_hours)
    data = replace_in_box(data, b"elst", 8, thousand_hours)
    data = replace_in_box(data, b"mdhd", 16, b"\xfe\xff\xff\xff")
    outcome = timed_outcome(data, tmp_path, Limits(max_audio_s=60))
    assert isinstance(outcome, Report)
    assert 1.9 < outcome.duration_s < 2.1


def test_a_claim_that_is_believed_for_want_of_a_better_costs_nothing_either(tmp_path: Path) -> None:
    """Matroska has its length in one place; the claim shows, and does nothing."""
    data = make_video(tmp_path / "video.mkv", 2).read_bytes()
    at = data.index(b"\x44\x89\x88") + 3  # Duration, a float of 8 bytes, in ms
    (tmp_path / "claims.mkv").write_bytes(data[:at] + struct.pack(">d", 1000 * 3600 * 1000.0) + data[at + 8 :])
    with FileSource(tmp_path / "claims.mkv") as source:
        assert probe(source).duration_s == 1000 * 3600
    outcome = outcome_of(tmp_path / "claims.mkv", Limits(max_audio_s=60, wall_clock_s=20))
    assert isinstance(outcome, Report)
    assert 1.9 < outcome.duration_s < 2.1


def crc(data: bytes, bits: int, polynomial: int) -> int:
    value = 0
    for byte in data:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value >> (bits - 1) & 1 else 0)) & (1 << bits) - 1
    return value


def flac_of_silence(frames: int) -> bytes:
    """8 kHz mono; each frame of 14 bytes is 65,535 samples, 8.2 s, of silence. Source: RFC 9639."""
    info = struct.pack(">HHIHQ", 16, 65_535, 0, 0, 8000 << 44 | 15 << 36) + bytes(16)
    stream = [b"fLaC\x80\x00\x00\x22", info]
    for number in range(frames):
        head = b"\xff\xf9\x74\x08" + utf8_number(number * 65_535) + struct.pack(">H", 65_534)
        body = head + bytes([crc(head, 8, 0x07)]) + b"\x00\x00\x00"
        stream.append(body + struct.pack(">H", crc(body, 16, 0x8005)))
    return b"".join(stream)


def utf8_number(number: int) -> bytes:
    """Like UTF-8, but up to 36 bits."""
    if number < 0x80:
        return bytes([number])
    rest = []
    limit = 0x3F
    while number > limit:
        rest.append(0x80 | number & 0x3F)
        number >>= 6
        limit >>= 1
    first = 0xFE & ~(limit * 2 + 1) & 0xFF | number
    return bytes([first, *reversed(rest)])


def test_the_silence_decodes_to_its_length(tmp_path: Path) -> None:
    outcome = timed_outcome(flac_of_silence(3), tmp_path, Limits(max_audio_s=60))
    assert isinstance(outcome, Report), outcome
    assert outcome.samples_in == 3 * 65_535
    assert not outcome.damaged_packets


def test_silence_without_end_stops_at_the_longest_audio_allowed(tmp_path: Path) -> None:
    data = flac_of_silence(4000)
    assert len(data) < 100_000  # for nine hours
    assert timed_outcome(data, tmp_path, Limits(max_audio_s=600)) == "audio_too_long"


def test_decoding_for_ever_stops_at_the_wall_clock(tmp_path: Path) -> None:
    limits = Limits(wall_clock_s=1.5)
    assert timed_outcome(flac_of_silence(4000), tmp_path, limits) == "time_limit_reached"


# -- absurd numbers -------------------------------------------------------------------------------------


def box(name: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), name) + content


def boxes(data: bytes) -> dict[bytes, bytes]:
    """The contents of the boxes in `data`, by name; of several of one name the last."""
    found = {}
    at = 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        found[name] = data[at + 8 : at + size]
        at += size
    return found


def test_a_thousand_streams_have_a_clear_code(video: bytes, tmp_path: Path) -> None:
    top = boxes(video)
    movie = boxes(top[b"moov"])
    sound = box(b"trak", movie[b"trak"])  # the second: the sound

    def with_tracks(count: int) -> bytes:
        moov = box(b"moov", box(b"mvhd", movie[b"mvhd"]), *[sound] * count)
        return box(b"ftyp", top[b"ftyp"]) + box(b"mdat", top[b"mdat"]) + moov

    limits = Limits(wall_clock_s=20)
    assert isinstance(timed_outcome(with_tracks(3), tmp_path, limits), Report | str)
    assert timed_outcome(with_tracks(1000), tmp_path, limits) in ("unsupported_format", "corrupt_audio")


@pytest.mark.parametrize(
    ("channels", "rate_hz"), [(65_535, 8000), (65_535, 2_000_000_000), (1, 2_000_000_000), (1, 0xFFFFFFFF), (255, 1)]
)
def test_absurd_numbers_in_a_header_have_a_clear_code(channels: int, rate_hz: int, tmp_path: Path) -> None:
    data = wav_with(bytes(400_000), channels=channels, rate_hz=rate_hz)
    assert timed_outcome(data, tmp_path, Limits(wall_clock_s=20)) in ("corrupt_audio", "unsupported_format")


@pytest.mark.parametrize("pattern", [b"\x7f\xc0\x00\x00", b"\x7f\x80\x00\x00", b"\xff\x80\x00\x00"])
def test_sound_that_is_no_number_at_all_is_silence(pattern: bytes, tmp_path: Path) -> None:
    """NaN and both infinities, as big-endian floats in AIFF-C."""
    frames = 8000
    rate = struct.pack(">HQ", 16383 + 12, 8000 << (63 - 12))
    chunks = chunk(b"FVER", struct.pack(">I", 0xA2805140))
    chunks += chunk(b"COMM", struct.pack(">HIH", 1, frames, 32) + rate + b"fl32\x00\x00")
    chunks += chunk(b"SSND", bytes(8) + pattern * frames)
    outcome = timed_outcome(chunk(b"FORM", b"AIFC" + chunks), tmp_path, Limits(wall_clock_s=20))
    assert isinstance(outcome, Report), outcome
    assert outcome.samples == frames


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">4sI", name, len(content)) + content


@pytest.mark.parametrize("codec", ["aac", "pcm_f32le", "libopus -mapping_family 1", "flac"])
def test_sound_of_eight_channels_is_no_trap(codec: str, tmp_path: Path) -> None:
    """It should not take a ninth plane for sound, which PyAV counts where there are eight: that ends the process."""
    path = tmp_path / "eight.mkv"
    noise = "anoisesrc=duration=1:sample_rate=48000,aformat=channel_layouts=7.1"
    make = [require_program("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", noise, "-strict", "-2"]
    subprocess.run([*make, "-c:a", *codec.split(), str(path)], check=True)
    outcome = outcome_of(path, Limits(wall_clock_s=20))
    assert isinstance(outcome, Report), outcome
    assert outcome.channels == 8


# -- bombs of memory ------------------------------------------------------------------------------------


def test_a_memory_bomb_ends_in_a_code_and_leaves_the_parent_alone(video: bytes, tmp_path: Path) -> None:
    """It should be stopped at the address space: an index of 150 million samples of one size takes 3.6 GB."""
    bomb = replace_in_box(video, b"stsz", 4, struct.pack(">II", 16, 150_000_000))
    assert len(bomb) == len(video)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = timed_outcome(bomb, tmp_path, Limits(wall_clock_s=20))
    assert outcome in ("engine_error", "engine_crashed", "unsupported_format", "empty_audio", "corrupt_audio")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 64 * 1024
    assert isinstance(outcome_of_bytes(video, tmp_path), Report)


@pytest.mark.parametrize("memory_mib", [1, 96, 128, 144, 160, 192, 224])
def test_too_little_memory_ends_in_a_code_wherever_it_runs_out(memory_mib: int, tmp_path: Path) -> None:
    sound = wav_with(tone(48_000 * 5, channels=2), rate_hz=96_000, channels=2)
    outcome = timed_outcome(sound, tmp_path, Limits(memory_bytes=memory_mib * 1024**2, wall_clock_s=20))
    assert isinstance(outcome, Report) or outcome in ("engine_error", "engine_crashed"), outcome


def test_a_full_size_conversion_stays_far_below_the_limit(tmp_path: Path) -> None:
    sound = wav_with(tone(48_000 * 2, channels=2) * 30, rate_hz=48_000, channels=2)
    with tempfile.TemporaryDirectory() as folder:
        assert isinstance(timed_outcome(sound, Path(folder), Limits(memory_bytes=512 * 1024**2)), Report)
