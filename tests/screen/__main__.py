"""Converts three videos in a terminal, and draws what that shows: `make screen`."""

import shlex
import sys
import tempfile
from pathlib import Path

from tests.engine.converting import make
from tests.media import make_video
from tests.screen.drawing import draw
from tests.screen.recording import record

COMMAND = "video2mp3 convert keynote.mp4 panel.mkv workshop.webm --vbr 2"
LENGTHS_S = {"keynote.mp4": 900, "panel.mkv": 600, "workshop.webm": 420}
PICTURE = Path(__file__).parents[2] / "docs" / "convert.svg"


def main() -> None:
    """Makes the videos, runs the command, and writes the picture."""
    program = Path(sys.executable).with_name("video2mp3")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        loop = make_video(folder / "loop.mkv", 10)
        for file, seconds in LENGTHS_S.items():
            sound = ("-c:a", "libopus") if file.endswith("webm") else ("-c:a", "aac")
            picture = ("-vn",) if file.endswith("webm") else ("-c:v", "copy")
            looped = ("-stream_loop", "-1", "-i", str(loop), "-t", str(seconds))
            make(folder / file, *looped, *picture, *sound, "-af", "aresample=async=1000", "-b:a", "96k")
        loop.unlink()
        frames = record([str(program), *shlex.split(COMMAND)[1:]], folder, {})
    PICTURE.write_text(draw(COMMAND, frames))
    print(f"{PICTURE}: {len(frames)} screens, {PICTURE.stat().st_size / 1000:.0f} kB")
    print("\n".join(frames[len(frames) // 2].text))


if __name__ == "__main__":
    main()
