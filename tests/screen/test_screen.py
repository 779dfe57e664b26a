"""The recorded screen: what a terminal shows, drawn; and the README's picture as the program is now."""

import random
import re
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.engine.sounds import wav_with
from tests.screen.__main__ import COMMAND, ENVIRONMENT, LENGTHS_S, PICTURE, prepared
from tests.screen.drawing import PALETTE, draw
from tests.screen.recording import Frame, Run, record

BARS = re.compile("[━╸╺]")
PROGRAM = """
import sys, time
assert sys.stdout.isatty()
print("first \\x1b[31mred\\x1b[0m")
for percent in (10, 50, 100):
    print(f"\\r{percent} % \\x1b[1;36m━╸\\x1b[0m", end="", flush=True)
    time.sleep(0.3)
print("\\r\\x1b[Kdone & <gone>")
"""


def words(svg: str) -> list[str]:
    """What can be read in a drawing."""
    return [text.text or "" for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def shapes(texts: Iterable[str]) -> set[str]:
    """All words, with names and numbers made the same."""
    named = re.sub(r"\w+\.(mp4|mkv|webm|mp3)", "NAME", " ".join(texts))
    return set(re.sub(r"\d+(\.\d+)?", "9", named).replace("MB", "kB").split())


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    return record([sys.executable, "-c", PROGRAM], tmp_path_factory.mktemp("screen"), {}, interval_s=0.05)


def test_what_a_terminal_shows_is_kept(frames: list[Frame]) -> None:
    """It should keep each screen with its colours, and the last one as it stays."""
    shown = [frame.text[:2] for frame in frames]
    assert ["first red", "50 % ━╸"] in shown
    assert shown[-1] == ["first red", "done & <gone>"]
    assert Run(6, "red", "red", False) in frames[-1].rows[0]
    assert [frame.at_s for frame in frames] == sorted(frame.at_s for frame in frames)


def test_screens_are_drawn(frames: list[Frame]) -> None:
    """It should draw what changes apart from what does not, and bars as lines."""
    svg = draw("program", frames)
    assert words(svg).count("first") == 1
    assert {"$", "program", "red", "50 %", "done & <gone>"} <= set(words(svg))
    assert f'stroke="{PALETTE["cyan"]}"' in svg
    assert "@keyframes" in svg


def test_a_program_that_fails_is_not_drawn(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="non-zero exit status 3"):
        record([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, {})


def test_the_picture_shows_the_program_as_it_is(tmp_path: Path) -> None:
    """It should show the words that the same command shows now."""
    sound = wav_with(random.Random(1).randbytes(48_000 * 2 * 20), rate_hz=48_000)
    program, *arguments = shlex.split(COMMAND)
    recordings = prepared(tmp_path)
    for name in LENGTHS_S:
        (recordings / name).write_bytes(sound)
    frames = record([str(Path(sys.executable).with_name(program)), *arguments], tmp_path, ENVIRONMENT, interval_s=0.05)
    seen = shapes(run.text for frame in frames for row in frame.rows for run in row if not BARS.search(run.text))
    assert {"recordings/NAME", "files", "%", "->", "(9:9,", "kB)", "skipped,", "converted,"} <= seen
    assert seen - {"--:--"} <= shapes(words(PICTURE.read_text()))


def test_the_picture_is_small_and_tells_nothing_of_its_machine() -> None:
    picture = PICTURE.read_text()
    assert COMMAND in words(picture)
    assert len(picture) < 60_000
    assert not re.search(r"/(root|home|tmp|work|usr|var)\b", picture)
