"""The commands of docs/try-a-webhook.md are run as they stand there, with free ports."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.acceptance.service import embedded
from tests.acceptance.test_readme import ROOT, blocks
from tests.media import make_video, samples_by_ffmpeg
from tests.servers import SMTPServer, free_port, require_program

PAGE = ROOT / "docs" / "try-a-webhook.md"


def test_the_page_ends_with_an_mp3_that_the_receiver_was_told_of(tmp_path: Path, mail_server: SMTPServer) -> None:
    require_program("curl")
    make_video(tmp_path / "talk.mp4", 2)
    port = free_port()
    (receiver,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "receiver.py").write_text(receiver.replace("9000", str(port)))
    start = re.search(r"^(VIDEO2MP3_.*) make run$", PAGE.read_text(), re.MULTILINE)
    assert start
    env = dict(word.split("=") for word in start[1].replace("9000", str(port)).split())
    with embedded(tmp_path, mail_server, env) as service:
        script = "\n".join(blocks("docs/try-a-webhook.md")).replace("127.0.0.1:9000", f"127.0.0.1:{port}")
        script = script.replace("localhost:8000", service.url.removeprefix("http://"))
        script = script.replace(".venv/bin/python", shlex.quote(sys.executable))
        # Links name the port that was asked for: `--port 0` here.
        script = script.replace("cut -d ' ' -f 3", f"cut -d ' ' -f 3 | sed 's|http://127.0.0.1:0|{service.url}|'")
        command = ["bash", "-euo", "pipefail", "-c", f"trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}"]
        result = subprocess.run(command, cwd=tmp_path, env=service.env, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    assert samples_by_ffmpeg(tmp_path / "talk-by-webhook.mp3") == 2 * 48_000
