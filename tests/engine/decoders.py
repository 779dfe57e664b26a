"""Independent decoders of MP3: ffmpeg and mpg123."""

import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.servers import require_program

HARMLESS = ("detected only with low score", "Output file is empty", "EOI missing, emulating")
"""ffmpeg about files of fewer than five frames, about those without a sample, and about any JPEG of one colour."""

SHORT_BYTES = 5000


def pcm_by_ffmpeg(path: Path) -> bytes:
    """What ffmpeg decodes, as 16-bit PCM; fails on any complaint about the file."""
    (pcm,) = pcms_by_ffmpeg(path)
    return pcm


def pcms_by_ffmpeg(*paths: Path) -> list[bytes]:
    """The same of each file, by one process: to start ffmpeg takes longer than to decode minutes."""
    with tempfile.TemporaryDirectory() as folder:
        inputs: list[str] = []
        outputs: list[str] = []
        for number, path in enumerate(paths):
            # Of a few frames it cannot tell, by chance, whether they are MP3 or H.263.
            kind = ["-f", "mp3"] if path.suffix == ".mp3" and path.stat().st_size < SHORT_BYTES else []
            inputs += [*kind, "-i", str(path)]
            outputs += ["-map", f"{number}:a:0", "-f", "s16le", f"{folder}/{number}"]
        command = [require_program("ffmpeg"), "-v", "warning", *inputs, *outputs]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        complaints = [
            line for line in result.stderr.decode().splitlines() if line and not any(text in line for text in HARMLESS)
        ]
        if complaints:
            pytest.fail(f"ffmpeg complains about {', '.join(path.name for path in paths)}: {complaints}")
        return [(Path(folder) / str(number)).read_bytes() for number in range(len(paths))]


def pcms_by_mpg123(*paths: Path) -> list[bytes]:
    return [pcm_by_mpg123(path) for path in paths]


def pcm_by_mpg123(path: Path) -> bytes:
    """What mpg123 decodes, as 16-bit PCM; fails on any complaint about the file."""
    result = subprocess.run([require_program("mpg123"), "-q", "-s", str(path)], capture_output=True, check=False)
    if result.stderr:
        pytest.fail(f"mpg123 complains about {path.name}: {result.stderr.decode()}")
    return result.stdout


def samples_decoded(path: Path, channels: int) -> tuple[int, int]:
    """Samples per channel by ffmpeg and by mpg123."""
    return len(pcm_by_ffmpeg(path)) // (2 * channels), len(pcm_by_mpg123(path)) // (2 * channels)
