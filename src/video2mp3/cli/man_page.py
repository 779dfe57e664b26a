"""The manual page, made from the help of all commands: `python -m video2mp3.cli.man_page >video2mp3.1`.

Source of the macros: man(7) of groff.
"""

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any

from typer.main import get_command

from video2mp3 import __version__
from video2mp3.cli import app
from video2mp3.cli.defaults import CONFIG_VARIABLE, variable_of
from video2mp3.cli.options_command import KEYS

_BEGIN = r"""
.SH NAME
video2mp3 \- turns video into MP3
.SH SYNOPSIS
.B video2mp3
.I COMMAND
.RI [ OPTION ].\|.\|.
.RI [ ARGUMENT ].\|.\|.
.SH DESCRIPTION
"""
_VARIABLES = (
    (CONFIG_VARIABLE, "Names another file than config.toml."),
    ("VIDEO2MP3_TOKEN", "An API key for push. Without it, push uses the key that login has stored."),
)
_SETTINGS = "The commands that serve read settings from other variables, which docs/settings.md lists."
_FILES = (
    ("~/.config/video2mp3/config.toml", 'Defaults of convert and push, a line for each flag: bitrate = "128k".'),
    ("~/.config/video2mp3/keys.json", "API keys that login has stored."),
    ("~/.local/state/video2mp3/uploads", "Unfinished uploads of push."),
    ("~/.local/share/video2mp3", "Data of the service."),
)
_STATUS = (
    ("0", "All is done, or skipped."),
    ("1", "Some input failed; the others are converted."),
    ("2", "Wrong usage: nothing is done."),
    ("130", "Interrupted by Ctrl-C; no incomplete file is left."),
)


def man_page() -> str:
    """Returns the page, in groff's macros."""
    root = get_command(app)
    context = root.make_context("video2mp3", [], resilient_parsing=True)
    lines = [f'.TH VIDEO2MP3 1 "" "video2mp3 {__version__}" "User Commands"', _BEGIN.strip()]
    lines += [*_text(root.help or ""), ".SH OPTIONS", *_list(_records(root, context)), ".SH COMMANDS"]
    lines += _commands(root, context)
    lines += [
        ".SH ENVIRONMENT",
        *_list((*((variable_of(key), f"Default of --{key}.") for key in sorted(KEYS)), *_VARIABLES)),
    ]
    lines += [".PP", _escaped(_SETTINGS), ".SH FILES", *_list(_FILES), ".SH EXIT STATUS", *_list(_STATUS)]
    return "\n".join([*lines, ".SH SEE ALSO", ".BR ffmpeg (1)", ""])


def _commands(group: Any, context: Any) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.whole(name) if hasattr(group, "whole") else group.commands[name]
        inner = command.make_context(name, [], parent=context, resilient_parsing=True)
        if hasattr(command, "list_commands"):
            yield from _commands(command, inner)
            continue
        usage = inner.command.get_usage(inner).removeprefix("Usage: ")
        yield f".SS {_escaped(' '.join(usage.split()))}"
        yield from _text(command.help or "")
        yield from _list(_records(command, inner))


def _records(command: Any, context: Any) -> list[tuple[str, str]]:
    found = (parameter.get_help_record(context) for parameter in command.get_params(context))
    return [record for record in found if record is not None]


def _text(text: str) -> Iterator[str]:
    """Yields paragraphs; one that begins with a backspace keeps its lines, as in the help."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text).strip()):
        if paragraph.startswith("\b"):
            yield from (".PP", ".nf", *map(_escaped, paragraph.splitlines()[1:]), ".fi")
        else:
            yield from (".PP", _escaped(" ".join(paragraph.split())))


def _list(records: Sequence[tuple[str, str]]) -> Iterator[str]:
    for term, text in records:
        yield from (".TP", rf"\fB{_escaped(term)}\fR", _escaped(" ".join(text.split())))


def _escaped(text: str) -> str:
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    print(man_page(), end="")
