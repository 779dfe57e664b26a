"""Test media, made with ffmpeg, and independent decoders that count samples."""

import subprocess
import wave
from pathlib import Path

import pytest

from tests.servers import require_program
from tests.servers.programs import missing

CORPUS = Path(__file__).parents[2] / "shared" / "media"
REPORTS = CORPUS / "reports"


def corpus_file(path: str) -> Path:
    """A file of the shared corpus; skips the test (or fails it in CI) where the corpus is not there."""
    file = CORPUS / "corpus" / path
    if not file.exists():
        missing(f"the media corpus ({CORPUS})")
    return file


# Half of the CPU that the defaults take.
_QUICK_AAC = ("-c:a", "aac", "-aac_coder", "fast", "-aac_is", "0", "-aac_ms", "0")


def make_video(path: Path, seconds: float, *, rate_hz: int = 48_000, audio: tuple[str, ...] = _QUICK_AAC) -> Path:
    """Makes a small H.264 video with a changing stereo sound of exactly `seconds`, by its suffix's container.

    Debian's ffmpeg decodes up to a frame more from AAC: it does not cut off what the encoder filled the last one with.
    """
    sound = (
        f"sine=frequency=330:beep_factor=4:sample_rate={rate_hz}:duration={seconds}[tone];"
        f"anoisesrc=color=pink:amplitude=0.2:seed=1:sample_rate={rate_hz}:duration={seconds}[noise];"
        "[tone][noise]join=inputs=2:channel_layout=stereo"
    )
    command = [require_program("ffmpeg"), "-v", "error", "-y"]
    command += ["-f", "lavfi", "-i", f"testsrc=size=128x72:rate=2:duration={seconds}", "-f", "lavfi", "-i", sound]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", *audio]
    command += ["-metadata", "title=A talk", "-movflags", "+faststart"] if path.suffix in (".mp4", ".mov") else []
    subprocess.run([*command, str(path)], check=True)
    return path


def samples_by_ffmpeg(path: Path) -> int:
    """Samples per channel of the first audio track, as ffmpeg decodes it; fails on any complaint of the decoder."""
    command = [
        require_program("ffmpeg"),
        "-v",
        "warning",
        "-i",
        str(path),
        "-map",
        "0:a:0",
        "-f",
        "s16le",
        "-ac",
        "1",
        "-",
    ]
    result = subprocess.run(command, capture_output=True, check=True)
    complaints = result.stderr.decode()
    if path.suffix == ".mp3" and complaints:
        pytest.fail(f"ffmpeg complains about {path.name}: {complaints}")
    return len(result.stdout) // 2


def samples_by_mpg123(path: Path, folder: Path) -> int:
    """Samples per channel of an MP3, as mpg123 decodes it."""
    decoded = folder / f"{path.stem}.mpg123.wav"
    subprocess.run([require_program("mpg123"), "-q", "-w", str(decoded), str(path)], check=True, capture_output=True)
    with wave.open(str(decoded)) as audio:
        return int(audio.getnframes())
