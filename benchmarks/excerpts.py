"""Excerpts of real music, from Debian packages and the tests' corpus; kept beside the other inputs."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.inputs import FOLDER

PACKAGES = ("pushover-data", "neverball-data", "frozen-bubble-data", "asc-music", "extremetuxracer-data")
"""The music of games: 120 MB of packages. All are free, and nothing of them is in the repository."""
LENGTH_S = 10
_SUFFIXES = (".ogg", ".oga", ".flac", ".wav")
_CORPUS = Path(__file__).parents[2] / "shared" / "media" / "corpus"
_MOST_PER_FOLDER = 12


def excerpts() -> list[Path]:
    """Returns stereo files of ten seconds at 48 kHz, 16 bits, made now where they are not there yet."""
    folder = FOLDER / "excerpts"
    if not folder.exists():
        unfinished = FOLDER / "unfinished-excerpts"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        for number, source in enumerate(_sources(unfinished / "packages")):
            _cut(source, unfinished / f"{number:03}-{source.stem}.wav")
        shutil.rmtree(unfinished / "packages")
        unfinished.rename(folder)
    return sorted(folder.glob("*.wav"))


def _sources(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    for package in PACKAGES:
        subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=True)
        (archive,) = folder.glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "--extract", archive, folder / package], check=True)
    yield from _long_enough(folder)
    if _CORPUS.exists():
        yield from _long_enough(_CORPUS)


def _long_enough(root: Path) -> Iterator[Path]:
    """Yields the longest files of each folder, as far as they have enough stereo sound."""
    for folder in sorted({path.parent for path in root.rglob("*") if path.is_file()}):
        files = [path for path in folder.iterdir() if root == _CORPUS or path.suffix in _SUFFIXES]
        largest = sorted(filter(Path.is_file, files), key=lambda path: -path.stat().st_size)
        yield from [path for path in largest[:_MOST_PER_FOLDER] if _stereo_s(path) >= LENGTH_S]


def _stereo_s(path: Path) -> float:
    """Returns the length of the sound; 0 if it is not stereo, or not there."""
    command = ["ffprobe", "-v", "quiet", "-select_streams", "a:0", "-of", "default=nokey=1:noprint_wrappers=1"]
    command += ["-show_entries", "stream=channels:format=duration", str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return float(found[1]) if len(found) == 2 and found[0] == "2" and found[1] != "N/A" else 0.0


def _cut(source: Path, target: Path) -> None:
    """Takes ten seconds after a third of the file, where the music has begun."""
    start_s = max(0.0, (_stereo_s(source) - LENGTH_S) / 3)
    command = ["ffmpeg", "-v", "error", "-y", "-ss", f"{start_s:.3f}", "-i", str(source), "-map", "0:a:0"]
    command += ["-t", str(LENGTH_S), "-ar", "48000", "-ac", "2", "-c:a", "pcm_s16le", str(target)]
    subprocess.run(command, check=True)
