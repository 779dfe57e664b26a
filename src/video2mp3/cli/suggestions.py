"""What people probably meant by an option or a command that does not exist."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

_ELSEWHERE = {
    "--overwrite": "--force",
    "-y": "--force",
    "--overwrites": "--force",
    "--no-overwrites": "--skip-existing",
    "-n": "--skip-existing",
    "--audio-quality": "--vbr",
    "--quality": "--vbr",
    "-b": "--bitrate",
    "-a": "--track",
    "-ss": "--start",
    "-to": "--end",
    "--format": "--help",
}
"""Options of ffmpeg, yt-dlp and others, and what they are here."""


def option_meant(given: str, known: Iterable[str]) -> str | None:
    """Returns the option that was probably meant."""
    known = list(known)
    elsewhere = _ELSEWHERE.get(given)
    if elsewhere in known:
        return elsewhere
    return next(iter(get_close_matches(given, known, n=1, cutoff=0.75)), None)


def file_meant(arguments: Iterable[str]) -> str | None:
    """Returns how to write the first argument that names a file and looks like an option."""
    return next((f"the file ./{one}" for one in arguments if one.startswith("-") and Path(one).is_file()), None)


def command_meant(given: str) -> str | None:
    """Returns the command for a word that names a file or a URL instead."""
    is_file = (Path(given).suffix and not given.startswith("-")) or Path(given).exists()
    return f"video2mp3 convert {given}" if is_file or re.match(r"https?://", given, re.IGNORECASE) else None
