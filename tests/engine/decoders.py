"""Independent decoders of MP3: ffmpeg and mpg123."""

import subprocess
from pathlib import Path

import pytest

from tests.servers import require_program

HARMLESS = ("detected only with low score", "Output file is empty", "EOI missing, emulating")
"""ffmpeg about files of fewer than five frames, about those without a sample, and about any JPEG of one colour."""

SHORT_BYTES = 5000


def pcm_by_ffmpeg(path: Path) -> bytes:
    """What ffmpeg decodes, as 16-bit PCM; fails on any complaint about the file."""
    # Of a few frames it cannot tell, by chance, whether they are MP3 or H.263.
    kind = ["-f", "mp3"] if path.suffix == ".mp3" and path.stat().st_size < SHORT_BYTES else []
    command = [require_program("ffmpeg"), "-v", "warning", *kind, "-i", str(path), "-f", "s16le", "-"]
    result = subprocess.run(command, capture_output=True, check=False)
    complaints = [
        line for line in result.stderr.decode().splitlines() if line and not any(text in line for text in HARMLESS)
    ]
    if complaints:
        pytest.fail(f"ffmpeg complains about {path.name}: {complaints}")
    return result.stdout


def pcm_by_mpg123(path: Path) -> bytes:
    """What mpg123 decodes, as 16-bit PCM; fails on any complaint about the file."""
    result = subprocess.run([require_program("mpg123"), "-q", "-s", str(path)], capture_output=True, check=False)
    if result.stderr:
        pytest.fail(f"mpg123 complains about {path.name}: {result.stderr.decode()}")
    return result.stdout


def samples_decoded(path: Path, channels: int) -> tuple[int, int]:
    """Samples per channel by ffmpeg and by mpg123."""
    return len(pcm_by_ffmpeg(path)) // (2 * channels), len(pcm_by_mpg123(path)) // (2 * channels)
