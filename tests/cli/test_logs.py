"""The form of the logs of a process: lines for people on a terminal, JSON for programs."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.service import base_env
from tests.databases import new_sqlite


def is_json(line: str) -> bool:
    return line.startswith("{") and "event" in json.loads(line)


def is_for_people(line: str) -> bool:
    plain = re.sub(r"\x1b\[[\d;]*m", "", line)
    return re.match(r"\d{4}-\d\d-\d\dT\S+ \[info +\] \w+ +\w+=", plain) is not None


@pytest.mark.parametrize(("open_ends", "is_right"), [(pty.openpty, is_for_people), (os.pipe, is_json)])
def test_logs_are_for_people_on_a_terminal_and_json_elsewhere(
    tmp_path: Path, open_ends: Callable[[], tuple[int, int]], is_right: Callable[[str], bool]
) -> None:
    env = base_env(tmp_path)
    del env["VIDEO2MP3_LOG_FORMAT"]
    new_sqlite(tmp_path / "data" / "video2mp3.db")
    ours, its = open_ends()
    command = [sys.executable, "-m", "video2mp3", "api", "--port", "0"]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=its) as process, os.fdopen(ours) as log:
        os.close(its)
        assert is_right(log.readline())
        process.terminate()
