"""Turns the engine's options into flags, with the options' descriptions as help."""

import inspect
import re
from collections.abc import Callable
from dataclasses import Field, fields
from functools import partial
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperCommand

from video2mp3.cli import values
from video2mp3.cli.plain_values import read_without_pydantic
from video2mp3.cli.suggestions import file_meant, option_meant
from video2mp3.engine import Options
from video2mp3.engine.options import MODES, value_of_text

_SHORT = {"vbr_quality": "vbr", "average_kbps": "abr", "cover_picture": "cover-file", "own_chapters": "chapters-file"}
_UNIT = re.compile(r"_(kbps|hz|s|lufs)$")
_METAVARS = {"kbps": "KBPS", "hz": "HZ", "s": "TIME", "lufs": "LUFS"}
_OTHER_METAVARS = {
    "vbr_quality": "QUALITY",
    "track": "NUMBER|LANGUAGE|all|mix",
    "split": "chapters|silence|TIME",
    "silence_db": "DBFS",
    "channels": "1|2|left|right",
    "date": "DATE",
    "cover_picture": "FILE",
    "own_chapters": "FILE",
    "track_number": "NUMBER",
}
_GROUPS = {
    "Encoding": (*MODES, "channels", "sample_rate_hz", "copy"),
    "What to convert": ("start_s", "end_s", "track", "split", "silence_s", "silence_db", "timing", "fail_on_damage"),
    "Sound": ("loudness_lufs", "fade_in_s", "fade_out_s"),
}
_OTHER_GROUP = "Tags and cover"
_NAMES = frozenset(option.name for option in fields(Options))
# Names that are ordinary words too, in contexts where they mean the option.
_NAMES_IN_SENTENCES = re.compile(r"\b(?:channels(?= \d)|split(?= silence)|(?<=and )preset)\b")

OUTPUT = "Output"
"""The group of flags for outputs."""
Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE|FOLDER|URL|-", help="Videos, or folders of them; -: standard input.", show_default=False
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE|FOLDER|-",
        help="Where to write (default: beside each input): a file, a folder, a name with {fields}, or - for standard "
        "output.",
        rich_help_panel=OUTPUT,
    ),
]
Force = Annotated[bool, typer.Option("-f", "--force", help="Overwrite files that exist.", rich_help_panel=OUTPUT)]


def flag_of(name: str) -> str:
    """Returns an option's flag: `--bitrate` for `bitrate_kbps`."""
    return "--" + _SHORT.get(name, _UNIT.sub("", name)).replace("_", "-")


def with_flags(text: str) -> str:
    """Returns a sentence of the engine with flags instead of option names."""
    for name in sorted(_NAMES, key=len, reverse=True):
        # a name without an underscore is also an ordinary word: replace it only at the start
        text = re.sub(rf"\b{name}\b" if "_" in name else rf"^{name}(?=:)", flag_of(name), text)
    return _NAMES_IN_SENTENCES.sub(lambda found: flag_of(found[0]), text)


_PARSERS: dict[str, Callable[[str], Any]] = {
    "channels": partial(value_of_text, "channels"),
    "bitrate_kbps": values.kbps,
    "vbr_quality": values.quality,
    "average_kbps": values.kbps,
    "sample_rate_hz": values.hertz,
    "loudness_lufs": values.lufs,
    "silence_db": values.decibels,
    "cover_picture": values.picture,
    "own_chapters": values.chapter_lines,
    "split": values.split_at,
}


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds a flag for every option to a command, which gets the given ones as the dict `options`."""
    own = inspect.signature(command, eval_str=True)

    def run(**values: Any) -> None:
        given = {name: values.pop(name) for name in _NAMES if name in values}
        command(options={name: value for name, value in given.items() if value is not None}, **values)

    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in own.parameters.items()
        if name != "options"
    ]
    parameters[1:1] = [_parameter(option) for option in fields(Options)]
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = command.__doc__
    return run


def _parameter(option: "Field[Any]") -> inspect.Parameter:
    name, flag = option.name, flag_of(option.name)
    is_switch = isinstance(option.default, bool)
    parser = _PARSERS.get(name, values.seconds if name.endswith("_s") else None)
    settings: dict[str, Any] = {"parser": parser} if parser else {}
    info = typer.Option(
        f"{flag}/--no-{flag[2:]}" if option.default is True else flag,
        help=with_flags(option.metadata["description"]),
        metavar=None if is_switch else _metavar(option),
        show_default=False,
        rich_help_panel=next((group for group, names in _GROUPS.items() if name in names), _OTHER_GROUP),
        **settings,
    )
    annotation: Any = Annotated[option.type if is_switch else _plain(option) | None, info]
    default = option.default if is_switch else None  # None: the engine's default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _metavar(option: "Field[Any]") -> str:
    choices = [value for value in option.metadata["json_schema_extra"].get("enum", []) if isinstance(value, str)]
    unit = _UNIT.search(option.name)
    return _OTHER_METAVARS.get(option.name) or "|".join(choices) or (_METAVARS[unit[1]] if unit else "TEXT")


def _plain(option: "Field[Any]") -> Any:
    return str | None if str in get_args(option.type) else option.type


class FlagsCommand(TyperCommand):
    """A command whose options are listed in groups, as plain text, and whose usual values need no pydantic."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Returns the parameters, `--help` among them."""
        return read_without_pydantic(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the arguments; the error about an unknown option names the one that was probably meant."""
        given = list(args)  # Typer takes them out of the list
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter:
            raise
        except Exception as error:
            if hasattr(error, "possibilities") and hasattr(error, "message"):
                known = [name for parameter in self.get_params(ctx) for name in parameter.opts]
                meant = option_meant(error.option_name, known) or file_meant(given)  # type: ignore[attr-defined]
                error.possibilities = None
                error.message += f". Did you mean {meant}?" if meant else ""
            raise

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes the arguments, then each group in the order of its first option."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                group = getattr(parameter, "rich_help_panel", None)
                of_kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
                groups.setdefault(group or of_kind, []).append(record)
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records)
