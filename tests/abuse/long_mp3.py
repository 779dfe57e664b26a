"""An MP3 of hours, made from one minute."""

import subprocess
from pathlib import Path

from tests.servers import require_program


def make_long_mp3(path: Path, minutes: int, sound: str = "sine=330:sample_rate=16000", bitrate: str = "16k") -> Path:
    """Writes frames of a minute again and again: without a bit reservoir each can follow any."""
    minute = path.with_name("minute.mp3")
    command = [require_program("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", f"{sound}:duration=60"]
    command += ["-c:a", "libmp3lame", "-b:a", bitrate, "-reservoir", "0", "-write_xing", "0", "-id3v2_version", "0"]
    subprocess.run([*command, str(minute)], check=True)
    path.write_bytes(minute.read_bytes() * minutes)
    return path
