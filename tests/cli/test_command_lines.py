"""Command lines as people type them: exit status, output, errors and files."""

import array
import contextlib
import ctypes
import fcntl
import functools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import run, run_line
from tests.engine.decoders import samples_decoded
from tests.engine.sounds import write_wav
from tests.servers.programs import wait_until
from video2mp3.cli.local.convert_files import ConvertSettings, Task, Totals, convert_files
from video2mp3.cli.local.inputs import input_of
from video2mp3.cli.local.output_names import FIELDS
from video2mp3.cli.saved_keys import key_file, load_keys
from video2mp3.engine import Limits, Options
from video2mp3.errors import ConfigurationError

SAMPLES = 4000


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which each line is typed."""
    folder = tmp_path_factory.mktemp("template")
    for name in ("talk.wav", "-talk.wav", "a/talk.wav", "b/talk.wav", "b/song.wav", "b/c/deep.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_wav(folder / name, SAMPLES)
    (folder / "b/notes.txt").write_text("notes")
    (folder / "broken.mp4").write_text("no video")
    (folder / "done").mkdir()
    for name in ("done/old.wav", "done/old.mp3", "done/new.wav"):
        shutil.copy(folder / "talk.wav", folder / name)
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "here"))


@pytest.fixture(scope="module")
def url(template: Path) -> Iterator[str]:
    """A web server with the files."""
    handler = functools.partial(QuietHandler, directory=str(template))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing of the requests."""


def files(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and ".state" not in path.parts
    }


@dataclass(frozen=True)
class Line:
    """A command line, and what it does."""

    typed: str
    status: int = 0
    out: str | None = None
    """What standard output has; None: there is nothing on it."""
    err: str | None = None
    """The same of standard error."""
    new: str = ""
    """The files that are new."""
    config: str | None = None
    """The file config.toml."""


CONFIG = ".config/video2mp3/config.toml"
NOT_FETCHED = "The URL cannot be fetched: "
WRONG = "video2mp3: "
OUTPUTS = [
    Line("convert talk.wav", 0, "talk.wav -> talk.mp3 (0:00, ", None, "talk.mp3"),
    Line("convert talk.wav -o x.mp3", 0, "talk.wav -> x.mp3 (0:00, ", None, "x.mp3"),
    Line("convert talk.wav -o x.MP3", 0, "talk.wav -> x.MP3 (0:00, ", None, "x.MP3"),
    Line("convert talk.wav -o a", 0, "-> a/talk.mp3", None, "a/talk.mp3"),
    Line("convert talk.wav -o new/", 0, "-> new/talk.mp3", None, "new/talk.mp3"),
    Line("convert talk.wav -o new/er/x.mp3", 0, "-> new/er/x.mp3", "new/er: the folder is new", "new/er/x.mp3"),
    Line("convert broken.mp4 -o new/x.mp3", 1, None, "video2mp3: broken.mp4: This is a text file"),
    Line("convert talk.wav -o broken.mp4/x.mp3", 2, None, "-o broken.mp4/x.mp3: not a directory."),
    Line("convert talk.wav -o x", 2, None, "-o x: the name of an MP3 ends in .mp3, and that of a new folder in /."),
    Line("convert talk.wav -o x.mp4", 2, None, "-o x.mp4: the name of an MP3 ends in .mp3"),
    Line("convert talk.wav b/song.wav -o x.mp3", 2, None, "-o x.mp3 is a file, but there can be several outputs"),
    Line("convert talk.wav -o {stem}.txt", 2, None, "-o: a name with fields ends in .mp3"),
    Line("convert talk.wav -o {title}.mp3", 2, None, "-o: there is no field {title}; the fields are {folder}, {stem}"),
    Line("convert a b -o {stem}.mp3", 2, None, "-o: two inputs would have the same name; use a field that differs"),
    Line(
        "convert b/talk.wav b/song.wav -o {folder}/{stem}-{bitrate}.mp3",
        0,
        "-> b/song-V2.mp3",
        "2 converted",
        "b/song-V2.mp3 b/talk-V2.mp3",
    ),
    Line("convert talk.wav --bitrate 128k -o {stem}-{bitrate}.mp3", 0, "talk-128k.mp3", None, "talk-128k.mp3"),
    Line("convert talk.wav --abr 96 -o '{stem} {bitrate}.mp3'", 0, "talk ~96k.mp3", None, "talk~~96k.mp3"),
    Line(
        "convert talk.wav -o {preset}/{name}.{ext}.mp3",
        0,
        "standard/talk.wav.wav.mp3",
        None,
        "standard/talk.wav.wav.mp3",
    ),
    Line("convert talk.wav --preset voice -o {preset}.mp3", 0, "-> voice.mp3", None, "voice.mp3"),
    Line("convert talk.wav --vbr 4 -o x{preset}.mp3", 0, "-> x.mp3", None, "x.mp3"),
    Line("convert talk.wav --vbr 4 -o {stem}-{preset}.mp3", 0, "-> talk.mp3", None, "talk.mp3"),
]
FOLDERS = [
    Line("convert a", 0, "a/talk.wav -> a/talk.mp3", None, "a/talk.mp3"),
    Line(
        "convert b",
        0,
        "b/c/deep.wav -> b/c/deep.mp3",
        "b: skipped, not audio or video by their names: notes.txt",
        "b/talk.mp3 b/song.mp3 b/c/deep.mp3",
    ),
    Line(
        "convert a b -o out",
        0,
        "b/song.wav -> out/song.mp3",
        "4 converted, 0 skipped, 0 failed; 0 s of audio in ",
        "out/a/talk.mp3 out/b/talk.mp3 out/song.mp3 out/c/deep.mp3",
    ),
    Line(
        "convert a/talk.wav b/talk.wav -o out", 0, "-> out/b/talk.mp3", "2 converted", "out/a/talk.mp3 out/b/talk.mp3"
    ),
    Line("convert done", 0, "done/new.wav -> done/new.mp3", "1 converted, 1 skipped, 0 failed; ", "done/new.mp3"),
    Line("convert done -v", 0, "(pcm_s16le); ", "done/old.wav: skipped: done/old.mp3 exists", "done/new.mp3"),
    Line("convert done -f", 0, "-> done/old.mp3", "2 converted, 0 skipped, 0 failed; ", "done/new.mp3"),
    Line("convert done/old.wav", 1, None, "done/old.mp3 exists already; use --force to overwrite it."),
    Line("convert done/old.wav --skip-existing"),
    Line("convert done/old.wav --skip-existing -v", 0, None, "done/old.wav: skipped: done/old.mp3 exists"),
    Line("convert done/old.wav --force", 0, "-> done/old.mp3"),
    Line(
        "convert talk.wav broken.mp4 none.mp4",
        1,
        "talk.wav -> talk.mp3",
        "1 converted, 0 skipped, 2 failed; ",
        "talk.mp3",
    ),
    Line("convert none.mp4", 1, None, "video2mp3: none.mp4: There is no such file."),
    Line("convert .config", 1, None, "video2mp3: .config: There is no such file."),
    Line("convert", 2, None, "video2mp3: Missing argument 'FILE|FOLDER|URL|-'. See `video2mp3 convert -h`."),
    Line("convert a -o talk.wav", 2, None, "-o talk.wav is a file, but there can be several outputs: name a folder."),
    Line("convert talk.wav --watch", 2, None, "--watch: talk.wav is not a folder."),
    Line("convert a --watch -o {stem}.mp3", 2, None, "--watch: -o must be a folder."),
]
STREAMS = [
    Line("convert - <talk.wav", 0, "ID3", "- -> - ("),
    Line("convert - -o x.mp3 <talk.wav", 0, "- -> x.mp3 (", None, "x.mp3"),
    Line("convert talk.wav -o - -q", 0, "ID3"),
    Line("convert - <broken.mp4", 1, None, "video2mp3: -: This is a text file, which is not converted."),
    Line("convert -", 1, None, "video2mp3: -: The file is empty"),
    Line("convert a talk.wav -o -", 2, None, "-o -: only one MP3 can go to standard output; name a folder."),
    Line("convert a -o -", 2, None, "-o -: only one MP3 can go to standard output"),
    Line("convert talk.wav -o - --split 1:00", 2, None, "-o -: only one MP3 can go to standard output"),
    Line("convert - --json <talk.wav", 0, "ID3", '"source": "-"'),
    Line("convert {url}/talk.wav", 0, "/talk.wav -> talk.mp3 (", None, "talk.mp3"),
    Line("convert {url}/b/so%6eg.wav?size=1", 0, "-> song.mp3 (", None, "song.mp3"),
    Line("convert {url}/talk.wav -o -", 0, "ID3", "-> - ("),
    Line("convert {url}/none.mp4", 1, None, "/none.mp4: The server answered 404 (File not found)."),
    Line("convert http://127.0.0.1:9/talk.mp4", 1, None, f"{NOT_FETCHED}connection refused."),
    Line("convert http://[::1/talk.mp4", 1, None, f"{NOT_FETCHED}Invalid IPv6 URL."),
    Line("probe - <talk.wav", 0, "track 1: pcm_s16le, 44100 Hz, mono"),
    Line("probe {url}/talk.wav", 0, "as MP3: about "),
    Line("probe broken.mp4", 1, None, "video2mp3: broken.mp4: This is a text file"),
    Line("push -", 2, None, "-: this command sends files; save the input to one."),
    Line("push talk.wav -o -", 2, None, "-o -: this command writes files only; name a file or a folder."),
]
SUGGESTIONS = [
    Line("talk.wav", 2, None, "No such command 'talk.wav'. Did you mean 'video2mp3 convert talk.wav'?"),
    Line("a", 2, None, "No such command 'a'. Did you mean 'video2mp3 convert a'?"),
    Line("https://example.com/talk", 2, None, "Did you mean 'video2mp3 convert https://example.com/talk'?"),
    Line("convrt talk.wav", 2, None, "No such command 'convrt'. Did you mean 'convert'?"),
    Line("user ad ada", 2, None, "No such command 'ad'. Did you mean 'add'?"),
    Line("nonsense", 2, None, "No such command 'nonsense'. See `video2mp3 -h`."),
    Line("convert --overwrite talk.wav", 2, None, "No such option: --overwrite. Did you mean --force?"),
    Line("convert --no-overwrites talk.wav", 2, None, "Did you mean --skip-existing?"),
    Line("convert --bitrat 128 talk.wav", 2, None, "No such option: --bitrat. Did you mean --bitrate?"),
    Line("convert --audio-quality 2 talk.wav", 2, None, "Did you mean --vbr?"),
    Line("convert -y talk.wav", 2, None, "No such option: -y. Did you mean --force?"),
    Line("convert -talk.wav", 2, None, "Did you mean the file ./-talk.wav?"),
    Line("convert ''", 2, None, "video2mp3: An argument is empty; is the variable set that it comes from?"),
    Line("convert talk.wav -o ''", 2, None, "video2mp3: -o: the name is empty; is the variable set that it comes"),
    Line("convert --nonsense talk.wav", 2, None, "No such option: --nonsense. See `video2mp3 convert -h`.\n"),
    Line("push --servr x talk.wav", 2, None, "No such option: --servr. Did you mean --server?"),
]
OUTPUT_FLAGS = [
    Line("-V", 0, "video2mp3 "),
    Line("--version", 0, "video2mp3 "),
    Line("--help", 0, "Convert videos to MP3 on this machine."),
    Line("convert --help", 0, "  FILE|FOLDER|URL|-  Videos, or folders of them; -: standard input."),
    Line("push -h", 0, "video2mp3 push recordings --server https://video2mp3.example.com"),
    Line("login --help", 0, "  SERVER  Address of the service."),
    Line("convert talk.wav -q", 0, None, None, "talk.mp3"),
    Line("convert done -q", 0, None, None, "done/new.mp3"),
    Line("convert none.mp4 -q", 1, None, "There is no such file."),
    Line("convert talk.wav -v", 0, "  WAV/RF64/BWF, track 1 (pcm_s16le); 0 s in ", None, "talk.mp3"),
    Line("convert talk.wav --json", 0, '"output": "talk.mp3", "report": {', None, "talk.mp3"),
    Line("convert broken.mp4 --json", 1, '"error": {"code": "unsupported_format"', "This is a text file"),
    Line("convert a done -j 2 --threads 1", 0, "a/talk.mp3", "2 converted, 1 skipped", "a/talk.mp3 done/new.mp3"),
    Line("convert talk.wav -j 0", 2, None, f"{WRONG}--jobs: must be from 1 to 64."),
    Line("convert talk.wav --threads 9999", 2, None, f"{WRONG}--threads: must be from 1 to 1024."),
    Line("convert talk.wav --threads many", 2, None, "--threads: 'many' is not a whole number; write one such as 3."),
    Line("convert talk.wav --track-number 1/12", 2, None, "'1/12' is not a whole number; write one such as 3."),
    Line("convert talk.wav --track-number 0", 2, None, "--track-number: must be from 1 to 9999."),
    Line("convert talk.wav --dry-run", 0, "talk.wav -> talk.mp3\n"),
    Line("convert a b -o new/ --dry-run", 0, "b/c/deep.wav -> new/c/deep.mp3", "notes.txt"),
    Line("convert a --split 1:00 -o new/ --dry-run", 0, "a/talk.wav -> new/talk.mp3"),
    Line("convert done --dry-run", 0, "done/old.wav -> done/old.mp3 (exists: skipped)"),
    Line("convert done -f --dry-run", 0, "done/old.wav -> done/old.mp3 (would be overwritten)"),
    Line("convert done/old.wav --dry-run", 1, None, "done/old.wav: done/old.mp3 exists already"),
    Line("convert talk.wav missing.mp4 --dry-run", 1, "talk.wav -> talk.mp3\n", "missing.mp4: There is no such file."),
    Line("convert done --dry-run --json", 0, '"done/old.mp3", "skipped": true, "overwritten": false}'),
    Line("convert missing.mp4 --dry-run --json", 1, '"error": {"code": "not_found"', "There is no such file."),
    Line("convert talk.wav --keep-times", 0, "talk.mp3", None, "talk.mp3"),
    Line("convert talk.wav --split 0.05", 2, None, "--split: must be from 1 to 10000000."),
    Line("convert talk.wav --split 10:00", 0, "talk-01.mp3 (1 segment, 0:00, ", None, "talk-01.mp3"),
    Line(
        "convert talk.wav --fade-in 3 --fade-out 2",
        0,
        "-> talk.mp3",
        "The fades take 5 s, but the MP3 only 0.1 s;",
        "talk.mp3",
    ),
    Line("convert talk.wav --track all", 0, "talk-track1.mp3 (1 track, 0:00, ", None, "talk-track1.mp3"),
]
VALUES = [
    *(
        Line(f"convert talk.wav {flags} -q", 0, None, None, "talk.mp3")
        for flags in (
            "--bitrate 128k",
            "--bitrate '128 kbit/s'",
            "--vbr V2",
            "--abr 96k",
            "--sample-rate 44.1kHz",
            "--sample-rate 48k",
            "--loudness -16LUFS --no-keep-tags",
            "--start 0s --end 1m",
            "--end 1:30",
            "--end 1:02:03.5",
            "--end 90s",
            "--end 1m30s",
            "--fade-in .01",
        )
    ),
    Line("convert talk.wav --bitrate much", 2, None, f"{WRONG}--bitrate: 'much' cannot be read; write 128 or 128k."),
    Line("convert talk.wav --bitrate 193", 2, None, "--bitrate: 193 is not one of 8, 16"),
    Line("convert talk.wav --vbr best", 2, None, f"{WRONG}--vbr: 'best' cannot be read; write 2 or V2."),
    Line("convert talk.wav --abr 1e9", 2, None, f"{WRONG}--abr: '1e9' cannot be read; write 128 or 128k."),
    Line("convert talk.wav --sample-rate x", 2, None, "--sample-rate: 'x' cannot be read; write 44100 or 44.1k."),
    Line("convert talk.wav --loudness loud", 2, None, "--loudness: 'loud' cannot be read; write -16 or -16LUFS."),
    Line("convert talk.wav --silence-db x", 2, None, "--silence-db: 'x' cannot be read; write -50 or -50dB."),
    Line("convert talk.wav --start 1:60", 2, None, "--start: '1:60' is not a time; write 90, 1:30 or 1:02:03.5."),
    Line("convert talk.wav --split never", 2, None, "'never' is neither chapters nor silence nor a time such as 600"),
    Line("convert talk.wav --start 10 --end 5", 2, None, "--end: must be later than --start."),
    Line("convert talk.wav --preset best", 2, None, "--preset: 'best' is not one of voice, podcast, standard"),
    Line("convert talk.wav --bitrate 128 --vbr 2", 2, None, "--vbr: cannot be used together with --bitrate"),
    Line("convert talk.wav --channels 3", 2, None, "--channels: 3 is not one of 1, 2, left, right."),
    Line("convert talk.wav --cover-file none.jpg", 2, None, "'none.jpg' cannot be read: No such file"),
    Line("convert talk.wav --chapters-file none.txt", 2, None, "'none.txt' cannot be read: No such file"),
    Line("convert talk.wav --chapters-file talk.wav", 2, None, "'talk.wav' is not a text in UTF-8"),
    Line("convert talk.wav --silence 3", 2, None, "--silence: is only for --split silence."),
]
NAME = "-o {stem}-{bitrate}.mp3"
DEFAULTS = [
    Line(f"convert talk.wav {NAME}", 0, "talk-64k.mp3", None, "talk-64k.mp3", config="bitrate = 64"),
    Line(f"convert talk.wav {NAME}", 0, "talk-64k.mp3", None, "talk-64k.mp3", config='bitrate = "64k" # small\n'),
    Line(f"VIDEO2MP3_BITRATE=96k convert talk.wav {NAME}", 0, "", None, "talk-96k.mp3"),
    Line(f"VIDEO2MP3_BITRATE=96 convert talk.wav {NAME}", 0, "", None, "talk-96k.mp3", config="bitrate = 64"),
    Line(
        f"VIDEO2MP3_BITRATE=96 convert talk.wav --bitrate 128 {NAME}",
        0,
        "",
        None,
        "talk-128k.mp3",
        config="bitrate = 64",
    ),
    Line(f"VIDEO2MP3_BITRATE= convert talk.wav {NAME}", 0, "", None, "talk-64k.mp3", config="bitrate = 64"),
    Line(f"convert talk.wav --vbr 4 {NAME}", 0, "", None, "talk-V4.mp3", config='preset = "podcast"'),
    Line(f"VIDEO2MP3_PRESET=max convert talk.wav {NAME}", 0, "", None, "talk-320k.mp3", config="vbr = 4"),
    Line("convert talk.wav", 0, "-> out/talk.mp3", None, "out/talk.mp3", config='output = "out/"'),
    Line("convert talk.wav", 0, "-> talk V2.mp3", None, "talk~V2.mp3", config='output = "{stem} {bitrate}.mp3"'),
    Line("convert talk.wav", 0, None, None, "talk.mp3", config="quiet = true\nkeep-times = true\njobs = 2"),
    Line("VIDEO2MP3_QUIET=no convert talk.wav", 0, "talk.mp3", None, "talk.mp3", config="quiet = true"),
    Line("convert talk.wav", 0, "talk.mp3", None, "talk.mp3", config='server = "http://127.0.0.1:9"'),
    Line(
        "VIDEO2MP3_THREADS=1 convert talk.wav --vbr 4 --dry-run",
        0,
        "talk.wav -> talk.mp3",
        "video2mp3: default: threads = 1 (VIDEO2MP3_THREADS)",
        config="threads = 2\nbitrate = 64",
    ),
    Line("convert talk.wav --dry-run", 0, "", "default: bitrate = 64 (", config="bitrate = 64"),
    Line("convert talk.wav --vbr 4 --dry-run", 0, "", "default left out: bitrate = 64 (", config="bitrate = 64"),
    Line(
        "convert done/old.wav --skip-existing --dry-run", 0, "skipped", "left out: force = True", config="force = true"
    ),
    Line("convert done/old.wav --skip-existing", config="force = true"),
    Line("VIDEO2MP3_SKIP_EXISTING=yes convert done/old.wav", config="force = true"),
    Line("VIDEO2MP3_SKIP_EXISTING=yes convert done/old.wav -f", 0, "-> done/old.mp3"),
    Line("convert done/old.wav -f --dry-run", 0, "overwritten", "left out: skip-ex", config="skip-existing = true"),
    Line("convert talk.wav -v", 0, "  WAV/RF64/BWF, track 1 (", None, "talk.mp3", config="quiet = true"),
    Line("convert talk.wav -q", 0, None, None, "talk.mp3", config="json = true\nverbose = true"),
    Line("convert done --json", 0, '"report": {', "1 converted, 1 skipped", "done/new.mp3", config="quiet = true"),
    Line("VIDEO2MP3_QUIET=1 convert talk.wav -v", 0, '"report": {', None, "talk.mp3", config="json = true"),
    Line("VIDEO2MP3_CONFIG=my.toml convert talk.wav", 2, None, "VIDEO2MP3_CONFIG: there is no file my.toml."),
    Line("VIDEO2MP3_CONFIG=/dev/null convert talk.wav", 0, "talk.mp3", None, "talk.mp3", config="bitrat = 64"),
    Line(
        "convert talk.wav",
        2,
        None,
        f"{CONFIG}, line 2: There is no bitrat; the nearest is bitrate.",
        config="vbr = 2\nbitrat = 64",
    ),
    Line("convert talk.wav", 2, None, "line 1: There is no loudnes; the nearest is loudness.", config="loudnes = -16"),
    Line("convert talk.wav", 2, None, "line 1: There is no wake.\n", config="wake = true"),
    Line(
        "convert talk.wav",
        2,
        None,
        f"{CONFIG}, line 1: watch has no default; give --watch on the command line.\n",
        config="watch = true",
    ),
    Line("convert talk.wav", 2, None, "line 1: jobs: must be from 1 to 64.", config="jobs = 65"),
    Line("convert talk.wav", 2, None, f"{CONFIG}, line 2: Invalid value", config="vbr = 2\npreset = podcast"),
    Line(
        "convert talk.wav",
        2,
        None,
        f"{CONFIG}, line 1: bitrate: 'much' cannot be read; write 128",
        config='bitrate = "much"',
    ),
    Line(
        "convert talk.wav",
        2,
        None,
        f"{CONFIG}, line 1: bitrate: --bitrate: 193 is not one of 8",
        config="bitrate = 193",
    ),
    Line(
        "convert talk.wav",
        2,
        None,
        f"{CONFIG}, line 1: vbr: --vbr: cannot be used together with --bitrate",
        config="vbr = 2\nbitrate = 64",
    ),
    Line(
        "convert talk.wav",
        2,
        None,
        f"{CONFIG}, line 1: force: 'maybe' is neither true nor false.",
        config='force = "maybe"',
    ),
    Line(
        "convert talk.wav",
        2,
        None,
        f"{CONFIG}, line 1: convert: write each flag as a line",
        config="[convert]\nvbr = 2",
    ),
    Line("convert --help", 0, "Usage: video2mp3 convert", config="bitrat = 64"),
    Line(
        "VIDEO2MP3_BITRAT=64 convert talk.wav",
        2,
        None,
        "There is no VIDEO2MP3_BITRAT; the nearest is VIDEO2MP3_BITRATE.",
    ),
    Line("VIDEO2MP3_VBR=11 convert talk.wav", 2, None, "VIDEO2MP3_VBR: --vbr: must be from 0 to 9."),
    Line("VIDEO2MP3_START=x convert talk.wav", 2, None, f"{WRONG}VIDEO2MP3_START: 'x' is not a time; write 90"),
    Line("VIDEO2MP3_PORT=8001 VIDEO2MP3_WORKER_SLOTS=1 convert talk.wav -q", 0, None, None, "talk.mp3"),
]
COMPLETE = "_VIDEO2MP3_COMPLETE=complete_"
FISH = f"_TYPER_COMPLETE_FISH_ACTION=get-args {COMPLETE}fish _TYPER_COMPLETE_ARGS="
POWERSHELL = f"{COMPLETE}pwsh _TYPER_COMPLETE_WORD_TO_COMPLETE=--lou _TYPER_COMPLETE_ARGS="
SHELLS = [
    Line(f"{COMPLETE}bash COMP_WORDS='video2mp3 conv' COMP_CWORD=1", 0, "convert\n"),
    Line(f"{COMPLETE}bash COMP_WORDS='video2mp3 convert --lou' COMP_CWORD=2", 0, "--loudness\n"),
    Line(f"{COMPLETE}bash COMP_WORDS='video2mp3 convert --lou' COMP_CWORD=2", 0, "--loudness\n", config="bitrat = 1"),
    Line(f"{COMPLETE}bash COMP_WORDS='video2mp3 push --ser' COMP_CWORD=2", 0, "--server\n"),
    Line(f"{COMPLETE}bash COMP_WORDS='video2mp3 user ad' COMP_CWORD=2", 0, "add\n"),
    Line(f"{COMPLETE}zsh _TYPER_COMPLETE_ARGS='video2mp3 convert --lou'", 0, "--loudness"),
    Line(f"{FISH}'video2mp3 convert --lou'", 0, "--loudness"),
    Line(f"{POWERSHELL}'video2mp3 convert --lou'", 0, "--loudness"),
]
SERVER = "VIDEO2MP3_SERVER=http://127.0.0.1:9"
ANSWERED = "video2mp3: talk.wav: 127.0.0.1 answered with status 501."
SERVICES = [
    Line("VIDEO2MP3_SERVER={url} push talk.wav", 1, None, ANSWERED),
    Line("push talk.wav", 1, None, ANSWERED, config='server = "{url}"'),
    Line("VIDEO2MP3_SERVER={url} push talk.wav", 1, None, ANSWERED, config='server = "http://127.0.0.1:9"'),
    Line(f"{SERVER} push talk.wav --server {{url}}", 1, None, ANSWERED),
    Line("push talk.wav --server {url} -o new/x.mp3", 1, None, ANSWERED),
    Line("push none.wav --server {url}", 1, None, "none.wav: There is no such file."),
    Line("push done --server {url}", 1, None, "1 of 2 files of folders are skipped: their MP3s exist"),
    Line(f"{SERVER} VIDEO2MP3_PRESET=best push talk.wav", 2, None, "VIDEO2MP3_PRESET: --preset: 'best' is not one of"),
    Line(f"{SERVER} push done/old.wav", 1, None, "done/old.mp3 exists already; use --force to overwrite it."),
    Line(f"{SERVER} push talk.wav --user ada", 2, None, "no terminal to ask for the password; use --password-stdin."),
    Line("login http://127.0.0.1:9", 2, None, "no terminal to ask for the API key; use --password-stdin."),
    Line("login {url} --password-stdin <b/notes.txt", 1, None, "video2mp3: 127.0.0.1 answered with status 404."),
    Line("login", 2, None, "Missing argument"),
    Line(
        "logout http://127.0.0.1:9", 0, None, "the key of http://127.0.0.1:9 is deleted", ".config/video2mp3/keys.json"
    ),
]
LINES = [*OUTPUTS, *FOLDERS, *STREAMS, *SUGGESTIONS, *OUTPUT_FLAGS, *VALUES, *DEFAULTS, *SHELLS, *SERVICES]


@pytest.mark.parametrize("line", LINES, ids=[f"{number} {line.typed}" for number, line in enumerate(LINES)])
def test_a_command_line_does_what_it_says(line: Line, folder: Path, url: str) -> None:
    if line.config is not None:
        (folder / CONFIG).parent.mkdir(parents=True)
        (folder / CONFIG).write_text(line.config.replace("{url}", url))
    before = files(folder)
    ended = run_line(line.typed.replace("{url}", url), folder)
    assert ended.returncode == line.status, ended.stderr
    for said, expected in ((ended.stdout, line.out), (ended.stderr, line.err)):
        assert said == "" if expected is None else expected in said, said
        assert "Traceback" not in said
    assert files(folder) - before == {name.replace("~", " ", 1) for name in line.new.split()}
    assert before <= files(folder)
    assert not (folder / "new").exists() or "new/" in line.new


def test_a_name_of_dots_leads_to_no_other_folder(folder: Path) -> None:
    (folder / "talk.wav").rename(folder / "...wav")
    plan = run(folder, "convert", "...wav", "-o", "out/{stem}/talk.mp3", "--dry-run")
    assert plan.stdout == "...wav -> out/...wav/talk.mp3\n"


def test_a_second_run_over_a_folder_is_no_error(folder: Path) -> None:
    assert run(folder, "convert", "a", "b").returncode == 0
    again = run(folder, "convert", "a", "b", "-q")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert run(folder, "convert", "a", "done").stderr.startswith("video2mp3: 1 converted, 2 skipped, 0 failed; ")


def test_standard_input_becomes_standard_output(folder: Path) -> None:
    """It should be the bytes of a file, with a header that knows the length."""
    piped = run_line("convert - <talk.wav", folder).bytes_written
    (folder / "piped.mp3").write_bytes(piped)
    assert run(folder, "convert", "talk.wav", "--title", "").returncode == 0
    assert piped == (folder / "talk.mp3").read_bytes()
    assert samples_decoded(folder / "piped.mp3", 1) == (SAMPLES, SAMPLES)
    assert run(folder, "convert", "talk.wav", "-o", "-", "--title", "").bytes_written == piped
    assert run_line("convert - -o piped.mp3 --force <talk.wav", folder).returncode == 0


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


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("convert talk.wav -o x.mp3 --fade-in 9 2>&- | grep -c -- '->'", 0, b"1\n"),
        ("convert talk.wav -o - --fade-in 9 2>&- | head --bytes=3", 0, b"ID3"),
        ("convert - 2>&1 <&-", 1, b"video2mp3: -: Standard input cannot be read or stored: bad file descriptor.\n"),
        ("probe talk.wav 2>&1 >&-", 1, b"video2mp3: Standard output cannot be written to: bad file descriptor.\n"),
        (
            "probe talk.wav 2>&1 >/dev/full",
            1,
            b"video2mp3: Standard output cannot be written to: no space left on device.\n",
        ),
        ("formats 2>&1 >/dev/full", 1, b"video2mp3: Standard output cannot be written to: no space left on device.\n"),
        (
            "convert talk.wav none.wav --fade-in 9 -o new/ 2>/dev/full | cut -d'(' -f1",
            1,
            b"talk.wav -> new/talk.mp3 \n",
        ),
        (
            "convert talk.wav -v -o x.mp3 | tail --lines=1 | cut --characters=-37",
            0,
            b"  WAV/RF64/BWF, track 1 (pcm_s16le); \n",
        ),
    ],
)
def test_streams_that_are_closed_or_full_or_know_few_characters_are_no_traceback(
    command: str, status: int, said: bytes, folder: Path
) -> None:
    """It should also not write errors into the MP3, as it would if that got the descriptor of standard error."""
    shell = f"set -o pipefail; {sys.executable} -m video2mp3 {command}"
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(["bash", "-c", shell], cwd=folder, env=env, stdout=subprocess.PIPE, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (status, said)


def test_a_file_that_another_run_converts_meanwhile_is_skipped(folder: Path) -> None:
    """It should be no failure where an MP3 that was there before would be skipped."""
    target = folder / "talk.mp3"

    def is_stale() -> bool:
        target.touch()
        return False

    task = Task(input_of(str(folder / "talk.wav")), target, skip_existing=True, is_stale=is_stale)
    totals = Totals()
    convert_files([task], ConvertSettings(Options().resolved(), Limits(), 1), totals)
    assert (totals.skipped, totals.failed, target.stat().st_size) == (1, 0, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_comes_after_the_files_are_handed_on(
    folder: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the pool it would leave a lock that the pool's threads wait for, and the command would not end."""

    class Interrupted(Exception):
        pass

    def interrupt(number: int, frame: object) -> None:
        raise Interrupted

    hand_on, within = ThreadPoolExecutor.submit, []

    def submit(*values: Any, **named: Any) -> Any:
        try:
            signal.raise_signal(number)
        except Interrupted:
            within.append(number)
        return hand_on(*values, **named)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit)
    task = Task(input_of(str(folder / "talk.wav")), folder / "talk.mp3")
    usual = signal.signal(number, interrupt)
    try:
        with pytest.raises(Interrupted):
            convert_files([task], ConvertSettings(Options().resolved(), Limits(), 1), Totals())
        assert signal.getsignal(number) is interrupt
    finally:
        signal.signal(number, usual)
    assert not within


def signal_another_thread(pid: int, number: int) -> None:
    """Interrupts no wait of the main thread, as a signal does that comes just before the wait."""
    thread = next(int(task.name) for task in Path(f"/proc/{pid}/task").iterdir() if int(task.name) != pid)
    assert ctypes.CDLL(None).tgkill(pid, thread, number) == 0


class Endless(BaseHTTPRequestHandler):
    """A server that sends a byte now and then, or nothing."""

    def do_GET(self) -> None:
        if self.path == "/silent.mp4":
            self.rfile.read()  # until the client has gone
            return
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"x")
                threading.Event().wait(0.05)


@pytest.mark.parametrize(
    ("origin", "wakes_main"), [("-", True), ("talk.mp4", True), ("silent.mp4", True), ("-", False)]
)
def test_an_interrupt_ends_the_wait_for_an_input(origin: str, wakes_main: bool, tmp_path: Path) -> None:
    """It should do so too if another thread gets the signal, or before all files are handed on."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        given = origin if origin == "-" else f"http://127.0.0.1:{server.server_port}/{origin}"
        others = [f"{number}.mp4" for number in range(3000 if wakes_main else 0)]
        output = str(tmp_path / "{stem}.mp3")
        command = [sys.executable, "-m", "video2mp3", "convert", given, *others, "-o", output, "-j1"]
        env = os.environ | {"TMPDIR": str(tmp_path)}
        with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                deadline_s = time.monotonic() + 60
                while not list(tmp_path.glob("video2mp3-*")):
                    assert time.monotonic() < deadline_s
                    time.sleep(0.001)
                if wakes_main:
                    process.send_signal(signal.SIGINT)
                else:
                    signal_another_thread(process.pid, signal.SIGINT)
                assert process.wait(60) == 130
            finally:
                process.kill()
        server.shutdown()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("takes_bytes", [False, True])
def test_an_interrupt_ends_the_wait_for_a_reader(folder: Path, takes_bytes: bool) -> None:
    """It should not wait until the rest of the MP3 is read, which takes half a minute or for ever."""
    write_wav(folder / "longer.wav", 3_000_000)
    read, write = os.pipe()
    room = fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    command = [sys.executable, "-m", "video2mp3", "convert", "longer.wav", "-o", "-", "--bitrate", "320"]
    with subprocess.Popen(command, cwd=folder, stdout=write, stderr=subprocess.PIPE) as process:
        os.close(write)
        try:
            wait_until(lambda: unread_bytes(read) == room, 60, "the MP3 fills the pipe")
            process.send_signal(signal.SIGINT)
            taken = 0
            while takes_bytes and (piece := os.read(read, 1000)):
                taken += len(piece)
                time.sleep(0.01)
            _, complaints = process.communicate(timeout=60)
            assert (process.returncode, complaints) == (130, b"video2mp3: interrupted\n")
            assert taken < 2_000_000
        finally:
            process.kill()
            os.close(read)


def unread_bytes(pipe: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


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


def test_the_fields_of_names_are_documented() -> None:
    document = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()
    rows = [f"| `{{{name}}}` | {what} |" for name, what in FIELDS.items()]
    assert "\n".join(["| field | stands for |", "|---|---|", *rows, ""]) in document


def test_a_name_that_is_too_long_is_one_sentence(folder: Path) -> None:
    for more in ("--skip-existing", "--dry-run"):
        done = run(folder, "convert", "talk.wav", "-o", f"{'{stem}' * 100}.mp3", more)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "cannot be written to: file name too long." in done.stderr
