"""What the commands load: each module takes time before the first byte is converted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from tests.engine.sounds import write_wav
from video2mp3.cli import late

ENGINE, BARS, CHECKS = "video2mp3.engine.options", "rich.console", "pydantic"
_LOADED = """
import atexit, sys
from video2mp3.__main__ import main
atexit.register(lambda: print(*sorted({%s} & set(sys.modules)), file=sys.stderr))
main()
"""


def started(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs the command line; the last line of its standard error names those of the modules that it has loaded."""
    program = _LOADED % ", ".join(map(repr, (ENGINE, BARS, CHECKS, "av", "lameenc")))
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "sound.wav", 22_050)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_version_and_help_load_no_engine(tmp_path: Path, arguments: list[str]) -> None:
    ended = started(tmp_path, *arguments)
    assert (ended.returncode, ended.stderr) == (0, "\n")
    assert ended.stdout


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["convert", "sound.wav", "-o", "sound.mp3", "--bitrate", "128", "--start", "0.1", "--loudness", "-16"], 0),
        (["convert", "none.mp4"], 1),
        (["probe", "sound.wav"], 0),
    ],
)
def test_converting_without_a_terminal_loads_no_bars(sound: Path, arguments: list[str], status: int) -> None:
    """It should read the usual flags without pydantic, and parse media nowhere but in the child."""
    ended = started(sound.parent, *arguments)
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (status, ENGINE)


def test_values_that_are_wrong_are_read_by_typer(sound: Path) -> None:
    """A control of the two tests above: it should find pydantic, which Typer loads for such values."""
    for flag, value, sentence in (
        ("--threads", "2000", "must be from 1 to 1024."),
        ("--start", "1x", "'1x' is not a time"),
    ):
        ended = started(sound.parent, "convert", "sound.wav", flag, value)
        assert ended.returncode == 2
        assert f"video2mp3: {flag}: {sentence}" in ended.stderr
        assert CHECKS in ended.stderr.splitlines()[-1]


def test_the_overview_has_the_first_line_of_each_command() -> None:
    for function in (late.convert, late.probe, late.push):
        module = __import__(f"video2mp3.cli.{function.__name__}", fromlist=["app"])
        command = get_command(module.app)
        assert function.__doc__ == command.help.partition("\n")[0], function  # type: ignore[union-attr]


def test_output_that_cannot_be_written_is_a_failure(sound: Path) -> None:
    """It should not be lost in silence when the process ends at once."""
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "video2mp3", "probe", "sound.wav"]
        ended = subprocess.run(command, cwd=sound.parent, stdout=full, stderr=subprocess.PIPE, check=False)
    assert ended.returncode != 0
    assert b"no space left" in ended.stderr


_FIRST_PROCESS = """
import subprocess, sys
class Noted(subprocess.Popen):
    def __init__(self, *args, **kwargs):
        loaded = {"typer", "video2mp3.engine.options", "video2mp3.engine.parent.calls"} & set(sys.modules)
        super().__init__(*args, **kwargs)
        print(self.pid, *loaded)
subprocess.Popen = Noted
from video2mp3.__main__ import main
main()
"""


def test_the_zygote_starts_before_all_else_and_ends_with_an_early_error(tmp_path: Path) -> None:
    """It should load the media libraries while the command loads, and not be waited for if there is no file."""
    command = [sys.executable, "-c", _FIRST_PROCESS, "convert", "none.mp4"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (1, "video2mp3: none.mp4: There is no such file.\n")
    pid, *loaded = ended.stdout.split()
    assert loaded == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_a_signal_that_another_thread_gets_ends_a_worker() -> None:
    """It should do so as if it had come just before the main thread waits."""
    script = """
import signal, threading
from video2mp3.cli.roles.server import _wait_for_signal

def interrupt():
    while signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        pass
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

threading.Thread(target=interrupt).start()
_wait_for_signal()
"""
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
