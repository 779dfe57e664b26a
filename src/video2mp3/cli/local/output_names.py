"""The value of --output as a template: '{folder}/{stem} {bitrate}.mp3'."""

import re
from pathlib import Path

from video2mp3.cli.terminal import stop
from video2mp3.engine import ResolvedOptions

FIELDS = {
    "folder": "the folder of the input",
    "stem": "the input's name without its ending",
    "name": "the input's name",
    "ext": "the input's ending, without the dot",
    "bitrate": "such as 192k, V2 or ~128k",
    "preset": "the preset, if there is one",
}
"""The fields and what they stand for; docs/options.md lists them."""
_FIELD = re.compile(r"\{(\w*)\}")
_WITH_SEPARATOR = re.compile(r"([ _-]?)\{(\w*)\}")
"""The separator goes with a field that is empty."""


def is_template(wanted: str) -> bool:
    """Returns whether a value of --output has fields."""
    return bool(_FIELD.search(wanted))


def filled(wanted: str, file: Path, options: ResolvedOptions) -> Path:
    """Returns the output for a file. Ends the program if a field is unknown or the name is not that of an MP3."""
    values = {
        "folder": str(file.parent),
        "stem": file.stem if file.stem.strip(".") else file.name,  # `..` would lead to another folder
        "name": file.name,
        "ext": file.suffix.removeprefix("."),
        "bitrate": _bitrate(options),
        "preset": options.preset or "",
    }
    for field in _FIELD.findall(wanted):
        if field not in values:
            stop(f"-o: there is no field {{{field}}}; the fields are {', '.join(f'{{{name}}}' for name in FIELDS)}.")
    name = _WITH_SEPARATOR.sub(lambda found: found[1] + values[found[2]] if values[found[2]] else "", wanted)
    if Path(name).suffix.lower() != ".mp3":
        stop("-o: a name with fields ends in .mp3, as in '{folder}/{stem} {bitrate}.mp3'.")
    return Path(name)


def _bitrate(options: ResolvedOptions) -> str:
    if options.vbr_quality is not None:
        return f"V{options.vbr_quality}"
    return f"~{options.average_kbps}k" if options.average_kbps is not None else f"{options.bitrate_kbps}k"
