"""Reads the values of flags as people type them: 128k, 1:30, 90s, -16LUFS. Each error shows a correct example."""

import re
from pathlib import Path

import typer

from video2mp3.engine.chapters import MAX_OWN_CHAPTERS_LENGTH
from video2mp3.engine.options import MAX_COVER_BYTES, SPLITS

# Python refuses to read thousands of digits.
_TIME = re.compile(r"(?:(?:(\d{1,9}):)?([0-5]?\d):)?(\d{1,9}(?:\.\d{0,20})?|\.\d{1,20})", re.ASCII)
_SPELLED_TIME = re.compile(
    r"(?=\d)(?:(\d{1,9})\s*h)?\s*(?:(\d{1,9})\s*m(?:in)?)?\s*(?:(\d{1,9}(?:\.\d{1,20})?)\s*s)?", re.ASCII | re.I
)


def seconds(text: str) -> float:
    """Returns the seconds of a time such as 90, 90s, 1:30, 1m30s or 1:02:03.5."""
    found = _TIME.fullmatch(text)
    spelled = _SPELLED_TIME.fullmatch(text.strip())
    if found is not None and (found[2] is None or float(found[3]) < 60):
        hours, minutes, rest = found.groups()
    elif spelled is not None and any(spelled.groups()):
        hours, minutes, rest = spelled.groups()
    else:
        raise typer.BadParameter(f"{text!r} is not a time; write 90, 1:30 or 1:02:03.5.")
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest or 0)


def split_at(text: str) -> float | str:
    """Returns the value of --split: a word, or a time in seconds."""
    if text in SPLITS:
        return text
    try:
        return seconds(text)
    except typer.BadParameter:
        words = " nor ".join(SPLITS)
        raise typer.BadParameter(f"{text!r} is neither {words} nor a time such as 600 or 10:00.") from None


def picture(path: str) -> bytes:
    """Returns the bytes of a file, at most one more than allowed."""
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_COVER_BYTES + 1)
    except OSError as error:
        raise typer.BadParameter(f"{path!r} cannot be read: {error.strerror}.") from None


def chapter_lines(path: str) -> str:
    """Returns the lines of a file, at most one character more than allowed."""
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            return file.read(MAX_OWN_CHAPTERS_LENGTH + 1)
    except OSError as error:
        raise typer.BadParameter(f"{path!r} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{path!r} is not a text in UTF-8.") from None


def kbps(text: str) -> int:
    """Returns the kbit/s of a bitrate such as 128, 128k or 128 kbit/s."""
    return int(_number(text, r"(\d{1,4})\s*(?:k|kbps|kbit/s|kb/s)?", "128 or 128k"))


def hertz(text: str) -> int:
    """Returns the hertz of a sample rate such as 44100, 44.1k or 48 kHz."""
    plain = re.fullmatch(r"\d{1,6}(?:\s*hz)?", text.strip(), re.ASCII | re.I)
    if plain:
        return int(_number(text, r"(\d{1,6})\s*(?:hz)?", ""))
    return round(1000 * _number(text, r"(\d{1,3}(?:\.\d{1,3})?)\s*k(?:hz)?", "44100 or 44.1k"))


def lufs(text: str) -> float:
    """Returns the LUFS of a loudness such as -16, -16LUFS or -16 dB."""
    return _number(text, r"([-+]?\d{1,3}(?:\.\d{0,20})?)\s*(?:lufs|lkfs|db)?", "-16 or -16LUFS")


def decibels(text: str) -> float:
    """Returns the dBFS of a level such as -50, -50dB or -50 dBFS."""
    return _number(text, r"([-+]?\d{1,3}(?:\.\d{0,20})?)\s*(?:db|dbfs)?", "-50 or -50dB")


def quality(text: str) -> int:
    """Returns the quality of a variable bitrate, such as 2 or V2."""
    return int(_number(text, r"v?(\d{1,3})", "2 or V2"))


def _number(text: str, pattern: str, example: str) -> float:
    found = re.fullmatch(pattern, text.strip().replace("−", "-"), re.ASCII | re.I)
    if found is None:
        raise typer.BadParameter(f"{text!r} cannot be read; write {example}.")
    return float(found[1])
