"""Converts a folder of videos in a terminal, and draws what that shows: `make screen`."""

import os
import shlex
import sys
import tempfile
from pathlib import Path

from tests.engine.converting import make
from tests.media import make_video
from tests.screen.drawing import draw
from tests.screen.recording import record

COMMAND = "video2mp3 convert recordings -o mp3/"
LENGTHS_S = {"keynote.mp4": 360, "friday/panel.mkv": 240, "friday/workshop.webm": 180}
ENVIRONMENT = {"VIDEO2MP3_CONFIG": os.devnull}
PICTURE = Path(__file__).parents[2] / "docs" / "convert.svg"


def prepared(folder: Path) -> Path:
    """Returns the folder of the videos, with one that has its MP3 and a file that is no video: both are skipped."""
    recordings = folder / "recordings"
    (recordings / "friday").mkdir(parents=True)
    (folder / "mp3").mkdir()
    for name in ("recordings/welcome.mp4", "mp3/welcome.mp3", "recordings/schedule.pdf"):
        (folder / name).touch()
    return recordings


def main() -> None:
    """Makes the videos, runs the command, and writes the picture."""
    program = Path(sys.executable).with_name("video2mp3")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recordings = prepared(folder)
        loop = make_video(folder / "loop.mkv", 10)
        for file, seconds in LENGTHS_S.items():
            sound = ("-c:a", "libopus") if file.endswith("webm") else ("-c:a", "aac")
            picture = ("-vn",) if file.endswith("webm") else ("-c:v", "copy")
            looped = ("-stream_loop", "-1", "-i", str(loop), "-t", str(seconds))
            make(recordings / file, *looped, *picture, *sound, "-af", "aresample=async=1000", "-b:a", "96k")
        loop.unlink()
        frames = record([str(program), *shlex.split(COMMAND)[1:]], folder, ENVIRONMENT)
    PICTURE.write_text(draw(COMMAND, frames))
    print(f"{PICTURE}: {len(frames)} screens, {PICTURE.stat().st_size / 1000:.0f} kB")
    print("\n".join(frames[len(frames) // 2].text))


if __name__ == "__main__":
    main()
