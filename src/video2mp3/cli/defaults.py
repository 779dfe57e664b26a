"""What the flags of `convert` and `push` are where they are not given: VIDEO2MP3_… variables, and config.toml.

Variables win over the file. `options_command.py` puts the command line above both.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from video2mp3.cli.config_folder import config_folder
from video2mp3.cli.terminal import reason, shown, stop
from video2mp3.engine.options import BOOLEANS
from video2mp3.errors import ConfigurationError
from video2mp3.wording import unknown_name

CONFIG_VARIABLE = "VIDEO2MP3_CONFIG"
"""Names another file than config.toml in the folder of the configuration."""
KEYS_OF_COMMANDS = (
    "output", "force", "skip-existing", "keep-times", "threads", "jobs", "json", "quiet", "verbose", "server",
)  # fmt: skip
"""The flags that may have a default, apart from the options."""
KEYS_OF_ONE_RUN = ("dry-run", "watch", "user", "password-stdin")
"""The other flags of the same commands."""
_PREFIX = "VIDEO2MP3_"
_NEAR = 0.8
"""Similarity of a misspelled variable. No setting of the service is that near to a variable of the command line."""
_NEAR_KEY = 0.6
"""Similarity of a misspelled key of the file."""
_AT_LINE = re.compile(r"(.*) \(at (?:(line \d+), column \d+|end of document)\)")


@dataclass(frozen=True)
class Default:
    """The default of a flag, as it was written."""

    key: str
    """The name of the flag, without dashes."""
    value: str | bool
    origin: str
    """The variable, or the file with line and key."""
    from_file: bool = False


def variable_of(key: str) -> str:
    """Returns the variable of a flag: VIDEO2MP3_KEEP_TIMES for `keep-times`."""
    return _PREFIX + key.upper().replace("-", "_")


def read_defaults(known: Collection[str], switches: Collection[str]) -> dict[str, Default]:
    """Returns the defaults that variables and the file set, by their keys: the names of flags without dashes.

    Ends the program if a variable or a key is misspelled, or the file cannot be read.

    Args:
        known: the keys of all commands.
        switches: those of them that are true or false.
    """
    _check_variables(known)
    found = {default.key: default for default in _read_file(known)}
    for key in known:
        if value := os.environ.get(variable_of(key)):
            found[key] = Default(key, value, variable_of(key))
    return {key: _switched(default) if key in switches else default for key, default in found.items()}


def _check_variables(known: Collection[str]) -> None:
    """Ends the program for a variable that is nearly one of the command line; settings of the service are not its."""
    names = {variable_of(key) for key in known} | {CONFIG_VARIABLE, "VIDEO2MP3_TOKEN"}
    for name in sorted(os.environ):
        if name.startswith(_PREFIX) and name not in names and nearest_variable(name, names):
            stop(unknown_name(name, names))


def nearest_variable(name: str, names: Collection[str]) -> str | None:
    """Returns the variable that was probably meant."""
    words = {one.removeprefix(_PREFIX): one for one in names}
    near = get_close_matches(name.removeprefix(_PREFIX), words, 1, _NEAR)
    return words[near[0]] if near else None


def config_file() -> Path | None:
    """Returns the file with the defaults, which need not exist; None for a user without a home folder."""
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named)
    with suppress(ConfigurationError):
        return config_folder() / "config.toml"
    return None


def _read_file(known: Collection[str]) -> Iterator[Default]:
    file = config_file()
    text = _text_of(file) if file else ""
    if not file or not text:
        return
    for key, value in _parsed(file, text).items():
        place = f"{shown(file)}, line {_line_of(key, text)}"
        if isinstance(value, dict | list):
            stop(f"{place}: {shown(key)}: write each flag as a line KEY = VALUE, without tables and lists.")
        if key in KEYS_OF_ONE_RUN:
            stop(f"{place}: {key} has no default; give --{key} on the command line.")
        if key not in known:
            stop(f"{place}: {unknown_name(shown(key), known, _NEAR_KEY)}")
        yield Default(key, str(value), f"{place}: {key}", from_file=True)


def _text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        if os.environ.get(CONFIG_VARIABLE):
            stop(f"{CONFIG_VARIABLE}: there is no file {shown(file)}.")
        return ""
    except (OSError, UnicodeError) as error:
        stop(f"{shown(file)} cannot be read: {reason(error) if isinstance(error, OSError) else 'it is not UTF-8'}.")


def _parsed(file: Path, text: str) -> Mapping[str, Any]:
    import tomllib  # only where there is a file

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.fullmatch(str(error))
        what, line = found.groups() if found else (str(error), None)
        stop(f'{shown(file)}, {line or "at its end"}: {shown(what)}; a line is written like preset = "podcast".')


def _line_of(key: str, text: str) -> int:
    pattern = re.compile(rf"\s*\[*\s*[\"']?{re.escape(key)}[\"']?\s*[=.\]]")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)


def _switched(default: Default) -> Default:
    word = str(default.value).lower()
    if word not in BOOLEANS:
        stop(f"{default.origin}: {shown(word)!r} is neither true nor false.")
    return replace(default, value=BOOLEANS[word])
