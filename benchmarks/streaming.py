"""How soon the MP3 of an hour is there after the last byte of the upload: `python -m benchmarks.streaming`."""

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.service import FOLDER, read_answer, send, service

BYTES_PER_S = 40e6
_LOOP_S = 120
_HOUR_S = 3600
_SOUND = "sine=frequency=330:beep_factor=4:sample_rate=48000:duration={0}[a];anoisesrc=color=pink:amplitude=0.2:seed=1:"
_SOUND += "sample_rate=48000:duration={0}[b];[a][b]join=inputs=2:channel_layout=stereo"
_PICTURE = "testsrc2=size=640x360:rate=10:duration={0},noise=alls=30:allf=t"
_CODECS = {
    "mp4": ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "4500k", "-c:a", "aac", "-b:a", "160k"],
    "webm": ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "4500k", "-c:a", "libopus"],
}


def film(suffix: str) -> Path:
    """An hour of video of about 2 GB, made now where it is not there yet."""
    path = FOLDER / f"film-60min.{suffix}"
    if not path.exists():
        print(f"making {path.name} …", file=sys.stderr, flush=True)
        loop = _loop("webm" if suffix == "webm" else "mp4")
        copied = ["-stream_loop", "-1", "-i", str(loop), "-t", str(_HOUR_S), "-c", "copy", "-movflags", "+faststart"]
        _ffmpeg(*copied, str(path.with_name(f"unfinished-{path.name}")))
        path.with_name(f"unfinished-{path.name}").rename(path)
    return path


def _loop(suffix: str) -> Path:
    path = FOLDER / f"film-loop.{suffix}"
    if not path.exists():
        sources = ["-f", "lavfi", "-i", _PICTURE.format(_LOOP_S), "-f", "lavfi", "-i", _SOUND.format(_LOOP_S)]
        _ffmpeg(*sources, *_CODECS[suffix], str(path))
    return path


def _ffmpeg(*arguments: str) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments], check=True)


def main() -> None:
    """Uploads each film at 40 MB/s with PUT /v1/mp3, and prints how long its MP3 is waited for."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    films = [film(suffix) for suffix in ("mp4", "mkv", "webm")]
    for path in films:
        with service() as server, server.connect() as line:
            size_bytes, began_s = path.stat().st_size, time.monotonic()
            sent_s = send(line, f"PUT /v1/mp3/{path.name} HTTP/1.1\r\n", path, 0, size_bytes, BYTES_PER_S)
            head, mp3 = read_answer(line)
            waited_s = time.monotonic() - sent_s
        assert head.startswith("HTTP/1.1 200"), head
        print(
            f"{path.suffix[1:]}: {size_bytes / 1e6:.0f} MB sent in {sent_s - began_s:.1f} s; "
            f"MP3 ({len(mp3) / 1e6:.1f} MB) whole {waited_s:.2f} s after the last byte"
        )


if __name__ == "__main__":
    main()
