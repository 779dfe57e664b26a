"""Converts what ffmpeg writes with each of its audio encoders into each of its containers: `make formats`.

Each pair converts at the length of the sound, or as long as ffmpeg itself decodes the file, or is refused by a sentence
that says what it is. The table goes into docs/formats.md.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.formats_document import write_pairs
from video2mp3.engine import FileSource, Limits, convert
from video2mp3.errors import (
    CorruptAudio,
    EmptyAudio,
    IncompleteFile,
    MediaError,
    NoAudio,
    UnsupportedFormat,
    Video2mp3Error,
)

SECONDS = 1.5
TOLERANCE_S = 0.030
_LIMITS = Limits(wall_clock_s=60, max_audio_s=3600, threads=1)
_SOUND = f"aevalsrc=0.3*sin(2*PI*440*t)|0.3*sin(2*PI*550*t):s=48000:d={SECONDS}"
_PICTURES = f"testsrc=size=720x576:rate=25:duration={SECONDS}"
_RATES: tuple[Sequence[str], ...] = ((), ("-ac", "1"), ("-ar", "8000", "-ac", "1"), ("-ar", "44100"))
"""Some encoders and containers take only some rates; the first that they take is used."""
_LEFT_OUT = frozenset(("vorbis", "anull", "comfortnoise", "ac3_fixed", "mp2fixed"))
"""Encoders that never end (ffmpeg's own for Vorbis, beside libvorbis), write nothing, or equal another one."""
_KNOWN = {
    ("flac", "asf"): "FFmpeg's parser delays the time stamps of all packets but the first",
    ("adpcm_ima_wav", "nut"): "the libraries that PyAV brings do not read the number of channels",
    ("mlp", "spdif"): "FFmpeg recognizes only AC-3, DTS and MPEG audio in S/PDIF",
    ("truehd", "spdif"): "FFmpeg recognizes only AC-3, DTS and MPEG audio in S/PDIF",
}
_NAMELESS = (UnsupportedFormat().detail, *(error().detail for error in (NoAudio, EmptyAudio, CorruptAudio)))
_OTHER_RATE = re.compile(rb"rate|channel|mono|opening encoder")
"""What ffmpeg says if another rate may help."""
_WRITING_S = 10
_VIDEO: Mapping[str, Sequence[str]] = {
    "mxf": ("-c:v", "mpeg2video"),
    "gxf": ("-c:v", "mpeg2video"),
    "dv": ("-c:v", "dvvideo", "-pix_fmt", "yuv420p"),
    "avm2": ("-c:v", "flv1"),
    "swf": ("-c:v", "flv1"),
    "film_cpk": ("-c:v", "cinepak"),
}
"""Containers that ffmpeg writes only with video."""
_NO_FILES = re.compile(
    r"a64|ass|avs\d|bit|cavsvideo|chromaprint|.*crc|.*hash|md5|framemd5|data|dash|hds|hls|smoothstreaming|webm_chunk|"
    r"webm_dash_manifest|segment|stream_segment.*|tee|fifo|null|image2.*|rtp.*|rtsp|sap|whip|.*fb.*dev|oss|alsa|pulse|"
    r"video4linux2.*|xv|rawvideo|ffmetadata|mkvtimestamp_v2|[suf]\d+[bl]e|[su]8|alaw|mulaw|vidc|mpjpeg|.*test|gif|apng|"
    r"mcc|scc|rcwt|sup|srt|ttml|webvtt|lrc|microdvd|jacosub|filmstrip|fits|ico|webp|avif|h26\d|hevc|vvc|evc|obu|ivf|"
    r"amv|avm2|asf_stream|aptx.*|g722|g726|sbc|daud|dfpwm|rso|roq|alp|oma|data|lc3|iamf|codec2.*|psp|f4v|ismv|ogv|svcd|vcd|dvd|mxf_d10|vc1.*|ilbc|gsm|g726le|g723_1|opus|chromaprint|"
    r"mpeg[12]video|vc1|m4v|dirac|dnxhd|mjpeg|apv|yuv4mpegpipe|pdv"
)
"""No files, raw samples without a header, and containers without audio."""


@dataclass(frozen=True)
class Pair:
    """One encoder in one container, and what became of it."""

    encoder: str
    container: str
    outcome: str
    """"converted", the reason of a refusal, or what is wrong."""
    is_right: bool


def pairs(ffmpeg: str, processes: int) -> Iterator[Pair]:
    """Yields the pairs that ffmpeg writes."""
    encoders = [name for name in _names(ffmpeg, "-encoders", r" A\S+ (\S+)") if name not in _LEFT_OUT]
    containers = [name for name in _names(ffmpeg, "-muxers", r" +D?E +(\S+)") if not _NO_FILES.fullmatch(name)]
    wanted = [(encoder, container) for container in containers for encoder in encoders]
    with ThreadPoolExecutor(processes) as pool:
        yield from filter(None, pool.map(lambda pair: _try(ffmpeg, *pair), wanted))


def _names(ffmpeg: str, listing: str, pattern: str) -> list[str]:
    text = subprocess.run([ffmpeg, "-hide_banner", listing], capture_output=True, text=True, check=True).stdout
    return re.findall(rf"^{pattern}", text.split("---")[-1], re.MULTILINE)


def _try(ffmpeg: str, encoder: str, container: str) -> Pair | None:
    """Returns None if ffmpeg does not write this pair, or decodes nothing of what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sound")
        if not write(ffmpeg, encoder, container, path):
            return None
        outcome, is_right = check(ffmpeg, path)
        if outcome in _NAMELESS and not _seconds_by(ffmpeg, path):
            return None
    return Pair(encoder, container, outcome, is_right)


def write(ffmpeg: str, encoder: str, container: str, path: Path) -> bool:
    """Writes a file; returns whether ffmpeg can."""
    video = _VIDEO.get(container, ())
    pictures = ("-f", "lavfi", "-i", _PICTURES, "-map", "1", "-map", "0") if video else ()
    for rate in _RATES:
        command = [ffmpeg, "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", _SOUND, *pictures, *video]
        command += ["-c:a", encoder, "-strict", "-2", *rate, "-f", container, str(path)]
        try:
            done = subprocess.run(command, capture_output=True, check=False, timeout=_WRITING_S)
        except subprocess.TimeoutExpired:
            return False
        if done.returncode == 0 and path.exists() and path.stat().st_size > 0:
            return True
        if not _OTHER_RATE.search(done.stderr):
            return False
    return False


def check(ffmpeg: str, path: Path) -> tuple[str, bool]:
    """Converts a file; returns the outcome, and whether it is right."""
    try:
        with FileSource(path) as source, tempfile.TemporaryFile() as sink:
            report = convert(source, sink, limits=_LIMITS)
    except MediaError as error:
        return error.detail, not isinstance(error, IncompleteFile) and error.detail not in _NAMELESS
    except Video2mp3Error as error:
        return error.detail, False
    if any("cut short" in warning for warning in report.warnings):
        return "said to be cut short", False
    if abs(report.duration_s - SECONDS) <= TOLERANCE_S:
        return "converted", True
    decoded_s = _seconds_by(ffmpeg, path)
    if abs(report.duration_s - decoded_s) <= TOLERANCE_S:
        return "converted", True
    return f"{report.duration_s:.3f} s, by ffmpeg {decoded_s:.3f} s", False


def _seconds_by(ffmpeg: str, path: Path) -> float:
    command = [ffmpeg, "-v", "quiet", "-nostdin", "-i", str(path), "-map", "0:a:0", "-ac", "1", "-ar", "48000"]
    return len(subprocess.run([*command, "-f", "s16le", "-"], capture_output=True, check=False).stdout) / 96_000


def main() -> int:
    """Writes the table; the exit status is 1 if a pair is not right."""
    parser = argparse.ArgumentParser(prog="make formats", description=__doc__)
    parser.add_argument("--ffmpeg", help="the ffmpeg that writes the files (that of the imageio-ffmpeg wheel)")
    parser.add_argument("--processes", type=int, default=2, metavar="NUMBER", help="how many at once (2)")
    arguments = parser.parse_args()
    ffmpeg = arguments.ffmpeg
    if ffmpeg is None:
        import imageio_ffmpeg

        ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    found = []
    for pair in pairs(ffmpeg, arguments.processes):
        found.append(pair)
        if not pair.is_right:
            print(f"WRONG {pair.encoder} in {pair.container}: {pair.outcome}", flush=True)
    version = subprocess.run([ffmpeg, "-version"], capture_output=True, text=True, check=True).stdout.split()[2]
    version = version.lstrip("n").split("-")[0]
    converted: dict[str, list[str]] = defaultdict(list)
    refused: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for pair in found:
        if pair.outcome == "converted":
            converted[pair.container].append(pair.encoder)
        else:
            refused[pair.outcome][pair.container].append(pair.encoder)
    write_pairs(version, converted, refused)
    print(
        f"{len(found)} pairs, {sum(map(len, converted.values()))} converted, {sum(not p.is_right for p in found)} wrong"
    )
    return 0 if all(pair.is_right or (pair.encoder, pair.container) in _KNOWN for pair in found) else 1


if __name__ == "__main__":
    sys.exit(main())
