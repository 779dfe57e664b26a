"""Command lines as people type them: exit status, output, errors and files."""

import contextlib
import functools
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.engine.decoders import samples_decoded
from tests.engine.sounds import write_wav
from video2mp3.cli.local.output_names import FIELDS
from video2mp3.cli.saved_keys import key_file, load_keys
from video2mp3.errors import ConfigurationError


def run(folder: Path, *arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "video2mp3", *arguments]
    return subprocess.run(command, cwd=folder, input=stdin, capture_output=True, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("talk.wav", "a/talk.wav", "b/talk.wav", "b/song.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_wav(tmp_path / name, 20_000)
    return tmp_path


def mp3s(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.mp3"))


# Arguments, exit status, what standard error has, the MP3s.
LINES: list[tuple[str, int, str, list[str]]] = [
    ("convert talk.wav --bitrate 128k", 0, "", ["talk.mp3"]),
    ("convert talk.wav --vbr V2", 0, "", ["talk.mp3"]),
    ("convert talk.wav --sample-rate 44.1kHz", 0, "", ["talk.mp3"]),
    ("convert talk.wav --loudness -16LUFS", 0, "", ["talk.mp3"]),
    ("convert talk.wav --start 0s --end 1m", 0, "", ["talk.mp3"]),
    ("convert talk.wav --bitrate much", 2, "'--bitrate': 'much' cannot be read; write 128 or 128k.", []),
    ("convert talk.wav --loudness loud", 2, "'--loudness': 'loud' cannot be read; write -16 or -16LUFS.", []),
    ("convert talk.wav --sample-rate x", 2, "'--sample-rate': 'x' cannot be read; write 44100 or 44.1k.", []),
    ("convert talk.wav --vbr best", 2, "'--vbr': 'best' cannot be read; write 2 or V2.", []),
    ("convert talk.wav --start 1:60", 2, "'1:60' is not a time; write 90, 1:30 or 1:02:03.5.", []),
    ("convert talk.wav -o talk", 2, "-o talk: the name of an MP3 ends in .mp3, and that of a new folder in /.", []),
    ("convert talk.wav -o talk.mp4", 2, "-o talk.mp4: the name of an MP3 ends in .mp3", []),
    ("convert talk.wav -o {stem}.txt", 2, "-o: a name with fields ends in .mp3", []),
    ("convert talk.wav -o {title}.mp3", 2, "-o: there is no field {title}; the fields are {folder}, {stem}", []),
    ("convert a b -o {stem}.mp3", 2, "-o: two inputs would have the same name; use a field that differs", []),
    ("convert b -o {folder}/{stem}-{bitrate}.mp3", 0, "2 converted", ["b/song-192k.mp3", "b/talk-192k.mp3"]),
    ("convert talk.wav -o {name}.{ext}.mp3", 0, "", ["talk.wav.wav.mp3"]),
    ("convert a b -o out", 0, "3 converted", ["out/a/talk.mp3", "out/b/talk.mp3", "out/song.mp3"]),
    ("convert a/talk.wav b/talk.wav -o out", 0, "2 converted", ["out/a/talk.mp3", "out/b/talk.mp3"]),
    ("convert a talk.wav b -o -", 2, "-o -: only one MP3 can go to standard output; name a folder.", []),
    ("convert a -o -", 2, "-o -: only one MP3 can go to standard output", []),
    ("convert talk.wav -o - --split 1:00", 2, "-o -: only one MP3 can go to standard output", []),
    ("convert talk.wav --dry-run", 0, "", []),
    ("convert a b -o new/ --dry-run", 0, "", []),
    ("convert a --split 1:00 -o new/ --dry-run", 0, "", []),
    ("convert talk.wav -q", 0, "", ["talk.mp3"]),
    ("convert --overwrite talk.wav", 2, "No such option: --overwrite. Did you mean --force?", []),
    ("convert --bitrat 128 talk.wav", 2, "No such option: --bitrat. Did you mean --bitrate?", []),
    ("convert -y talk.wav", 2, "No such option: -y. Did you mean --force?", []),
    ("talk.wav", 2, "No such command 'talk.wav'. Did you mean 'video2mp3 convert talk.wav'?", []),
    ("https://example.com/talk", 2, "Did you mean 'video2mp3 convert https://example.com/talk'?", []),
    ("convrt talk.wav", 2, "No such command 'convrt'. Did you mean 'convert'?", []),
    ("convert http://127.0.0.1:9/talk.mp4", 1, "The URL cannot be fetched: connection refused.", []),
    ("convert http://[::1/talk.mp4", 1, "The URL cannot be fetched: Invalid IPv6 URL.", []),
    ("-V", 0, "", []),
]


@pytest.mark.parametrize(("line", "status", "error", "expected"), LINES, ids=[line[0] for line in LINES])
def test_a_command_line_does_what_it_says(
    line: str, status: int, error: str, expected: list[str], folder: Path
) -> None:
    done = run(folder, *line.split())
    text = done.stderr.decode()
    assert (done.returncode, mp3s(folder)) == (status, expected), text
    assert error in text
    assert "Traceback" not in text
    assert bool(text) == bool(error)
    assert not (folder / "new").exists()


def test_a_name_of_dots_leads_to_no_other_folder(folder: Path) -> None:
    (folder / "talk.wav").rename(folder / "...wav")
    plan = run(folder, "convert", "...wav", "-o", "out/{stem}/talk.mp3", "--dry-run")
    assert plan.stdout.decode() == "...wav -> out/...wav/talk.mp3\n"


def test_a_second_run_over_a_folder_is_no_error(folder: Path) -> None:
    assert run(folder, "convert", "b").returncode == 0
    again = run(folder, "convert", "b")
    assert (again.returncode, again.stderr) == (0, b"video2mp3: 0 converted, 2 skipped, 0 failed\n")
    assert run(folder, "convert", "b/talk.wav").returncode == 1
    assert run(folder, "convert", "b/talk.wav", "--skip-existing").returncode == 0
    plan = run(folder, "convert", "b", "talk.wav", "--dry-run").stdout.decode().splitlines()
    assert plan == [
        "b/song.wav -> b/song.mp3 (exists: skipped)",
        "b/talk.wav -> b/talk.mp3 (exists: skipped)",
        "talk.wav -> talk.mp3",
    ]


def test_standard_input_becomes_standard_output(folder: Path) -> None:
    """It should be the bytes of a file, with a header that knows the length."""
    done = run(folder, "convert", "-", stdin=(folder / "talk.wav").read_bytes())
    assert (done.returncode, done.stdout[:3]) == (0, b"ID3")
    (folder / "piped.mp3").write_bytes(done.stdout)
    assert run(folder, "convert", "talk.wav", "--title", "").returncode == 0
    assert done.stdout == (folder / "talk.mp3").read_bytes()
    assert samples_decoded(folder / "piped.mp3", 1) == (20_000, 20_000)
    assert done.stderr.startswith(b"- -> - (")
    assert run(folder, "convert", "talk.wav", "-o", "-", "--title", "").stdout == done.stdout
    forced = run(folder, "convert", "-", "-o", "piped.mp3", "--force", stdin=(folder / "talk.wav").read_bytes())
    assert forced.returncode == 0, forced.stderr


def test_an_empty_standard_input_is_said(folder: Path) -> None:
    done = run(folder, "convert", "-")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"empty" in done.stderr


def test_a_reader_that_ends_early_is_no_traceback(folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "video2mp3", "convert", "talk.wav", "-o", "-"],
        cwd=folder, stdout=write, stderr=subprocess.PIPE, timeout=60,
    )  # fmt: skip
    os.close(write)
    assert done.returncode == 1
    assert done.stderr == b"video2mp3: talk.wav: The MP3 cannot be written to standard output: broken pipe.\n"


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_url_is_fetched(folder: Path, url: str) -> None:
    done = run(folder, "convert", f"{url}/b/so%6eg.wav?size=1", f"{url}/none.mp4")
    assert (done.returncode, mp3s(folder)) == (1, ["song.mp3"])
    assert f"video2mp3: {url}/none.mp4: The server answered 404 (File not found)." in done.stderr.decode()


class Endless(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"x")
                threading.Event().wait(0.05)


@pytest.mark.parametrize("origin", ["-", "url"])
def test_an_interrupt_ends_the_wait_for_an_input(origin: str, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        given = origin if origin == "-" else f"http://127.0.0.1:{server.server_port}/talk.mp4"
        command = [sys.executable, "-m", "video2mp3", "convert", given, "-o", str(tmp_path / "out.mp3")]
        env = os.environ | {"TMPDIR": str(tmp_path)}
        with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            deadline_s = time.monotonic() + 60
            while not list(tmp_path.glob("video2mp3-*")):
                assert time.monotonic() < deadline_s
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        server.shutdown()
    assert not list(tmp_path.iterdir())


def test_a_user_without_a_home_folder_has_no_stored_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_entry(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    assert load_keys() == {}
    with pytest.raises(ConfigurationError, match="XDG_CONFIG_HOME"):
        key_file()


def test_times_are_kept_where_asked(folder: Path) -> None:
    os.utime(folder / "talk.wav", (1_000_000, 1_000_000))
    assert run(folder, "convert", "talk.wav", "--keep-times").returncode == 0
    assert (folder / "talk.mp3").stat().st_mtime == 1_000_000


def test_verbose_tells_what_was_found(folder: Path) -> None:
    assert b"  wav, track 1 (pcm_s16le); " in run(folder, "convert", "-v", "talk.wav").stdout


def test_the_fields_of_names_are_documented() -> None:
    document = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()
    rows = [f"| `{{{name}}}` | {what} |" for name, what in FIELDS.items()]
    assert "\n".join(["| field | stands for |", "|---|---|", *rows, ""]) in document


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "pwsh"])
def test_shells_complete_flags(shell: str, folder: Path) -> None:
    line = "video2mp3 convert --lou"
    words = {"COMP_WORDS": line, "COMP_CWORD": "2", "_TYPER_COMPLETE_ARGS": line}
    words |= {"_TYPER_COMPLETE_WORD_TO_COMPLETE": "--lou", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    program = [str(Path(sys.executable).with_name("video2mp3"))]
    env = os.environ | words | {"_VIDEO2MP3_COMPLETE": f"complete_{shell}"}
    done = subprocess.run(program, env=env, cwd=folder, capture_output=True, text=True, timeout=60)
    assert "--loudness" in done.stdout, done.stderr


def test_a_name_that_is_too_long_is_one_sentence(folder: Path) -> None:
    for more in ("--skip-existing", "--dry-run"):
        done = run(folder, "convert", "talk.wav", "-o", f"{'{stem}' * 100}.mp3", more)
        assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
        assert b"cannot be written to: file name too long." in done.stderr
