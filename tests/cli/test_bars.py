"""The progress bars of `convert`: how much of several files is done, and how long the rest takes."""

import re
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from video2mp3.cli.local.bars import Bars, Total
from video2mp3.engine import Progress
from video2mp3.errors import Canceled, UnsupportedFormat

LONG_S, SHORT_S = 7200, 600


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")


def last_bar(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The words of the last line that was drawn for all files."""
    drawn = re.sub(r"\x1b\[[\d;?]*\w|[━╸╺]", "", capsys.readouterr().err)
    return drawn.rpartition("2 files")[2].split("\n")[0].split()


def test_a_file_counts_by_its_length(capsys: pytest.CaptureFixture[str]) -> None:
    """It should show the time until the longest file ends, at 100 s of audio per second."""
    now_s = 0
    with ExitStack() as running, Bars(2, lambda: now_s) as bars:
        lengths = {running.enter_context(bars.bar(Path(f"{one}.mp4"))): one for one in (LONG_S, SHORT_S)}
        for now_s in (1, 2, 3):
            for show, length_s in lengths.items():
                show(Progress(100 * now_s, length_s))
        bars.__exit__()
        assert last_bar(capsys) == ["8", "%", "200×", "01:09"]


@pytest.mark.parametrize(("error", "percent"), [(Canceled(), "25"), (UnsupportedFormat("It is text."), "50")])
def test_only_an_interrupt_leaves_the_rest_of_a_file_undone(
    error: Exception, percent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Bars(2) as bars, suppress(type(error)), bars.bar(Path("talk.mp4")) as show:
        show(Progress(SHORT_S / 2, SHORT_S))
        raise error
    assert last_bar(capsys)[:2] == [percent, "%"]


def test_files_of_unknown_length_count_as_the_mean() -> None:
    total = Total(4)
    assert total.share == 0
    total.update(1, 0, None)
    total.update(2, 100, 200)
    assert total.share == 100 / 800
    total.update(3, 100, 400)
    assert total.share == 200 / 1200
    total.end(4)  # skipped: one of three is left
    assert total.share == 200 / 900
    total.end(2)
    assert total.share == 200 / 750
    total.end(1)
    assert total.share == 200 / 500
    total.end(3)
    assert total.share == 1
