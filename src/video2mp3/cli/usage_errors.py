"""Words errors about the usage like all other errors of the command line: one line that begins with `video2mp3: `."""

from typing import Any

import typer
from typer.exceptions import TyperException


def sentence_about(error: TyperException) -> str:
    """Returns what is wrong with the command line, and where to read on unless the sentence says what to write."""
    found: Any = error
    if isinstance(error, typer.BadParameter) and error.message:  # an empty one: the value is missing
        return f"{_place(error)}: {error.message.removeprefix('Value error, ')}".removeprefix(": ")
    sentence = error.format_message()
    if "Did you mean" in sentence or getattr(found, "ctx", None) is None:
        return sentence
    return f"{sentence.removesuffix('.')}. See `{found.ctx.command_path} -h`."


def overview_in(error: TyperException) -> str | None:
    """Returns the help that Typer shows where a command is missing: it comes as an error too."""
    return error.message if "\n" in error.message else None


def _place(error: typer.BadParameter) -> str:
    """Returns the flag or the argument as its longest name, or where its default comes from."""
    found: Any = error.param
    if isinstance(error.param_hint, str):
        return error.param_hint
    if found is None:
        return ""
    return str(max(found.opts, key=len)) if found.param_type_name == "option" else str(found.display_name_raw)
