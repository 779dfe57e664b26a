"""`video2mp3 probe`: prints what is in a file, without converting it."""

import json
from collections.abc import Iterator
from typing import Annotated

import typer

from video2mp3.cli.flags import FlagsCommand
from video2mp3.cli.local.inputs import input_of, opened
from video2mp3.cli.terminal import clock, complain, shown, size
from video2mp3.engine import Probe, Track, probe
from video2mp3.engine.formats import container_name
from video2mp3.errors import Video2mp3Error

app = typer.Typer(add_completion=False, rich_markup_mode=None)

FLAG_NAMES = {
    "comment": "commentary",
    "visual_impaired": "audio description",
    "hearing_impaired": "for the hearing-impaired",
}
"""Flags whose names in ffmpeg do not explain themselves."""


@app.command(cls=FlagsCommand)
def probe_command(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE|URL|-", help="Videos to examine; -: standard input.", show_default=False),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per file.")] = False,
) -> None:
    """Show the tracks, languages and chapters of videos.

    Also estimates the size of the MP3 and the time for the conversion. Exit status: 0 all are media, 1 some are not, 2
    wrong usage.
    """
    good = [_probe_one(file, as_json) for file in files]
    if not all(good):
        raise typer.Exit(1)


def _probe_one(file: str, as_json: bool) -> bool:
    try:
        with opened(input_of(file)) as source:
            found = probe(source)
    except Video2mp3Error as error:
        complain(shown(file), error.detail)
        if as_json:
            error_facts = {"code": error.code, "detail": error.detail}
            print(json.dumps({"source": file, "error": error_facts}), flush=True)
        return False
    if as_json:
        print(json.dumps({"source": file, "probe": found.as_dict()}), flush=True)
    else:
        print("\n".join(_lines(file, found)), flush=True)
    return True


def _lines(file: str, found: Probe) -> Iterator[str]:
    length = clock(found.duration_s) if found.duration_s else "length not known"
    title = f", “{shown(found.title)}”" if found.title else ""
    yield f"{shown(file)}: {shown(container_name(found.container))}, {length}{title}"
    for number, track in enumerate(found.tracks, 1):
        yield f"  track {number}: {_track(track)}"
    for name, text in found.tags.items():
        if name != "title":
            yield f"  {name.replace('_', ' ')}: {shown(text)}"
    if found.cover:
        yield f"  cover: {found.cover}"
    for number, chapter in enumerate(found.chapters, 1):
        yield f"  chapter {number}: {clock(chapter.start_s)} {shown(chapter.title or '')}".rstrip()
    if found.estimated_size_bytes is not None and found.estimated_time_s is not None:
        time = f"about {found.estimated_time_s:.0f} s" if found.estimated_time_s >= 1 else "less than a second"
        yield f"  as MP3: about {size(found.estimated_size_bytes)}, in {time}"
    for warning in found.warnings:
        yield f"  warning: {shown(warning)}"


def _track(track: Track) -> str:
    parts = [shown(track.codec), f"{track.sample_rate_hz} Hz"]
    parts.append({1: "mono", 2: "stereo"}.get(track.channels, f"{track.channels} channels"))
    parts += [shown(track.language)] if track.language else []
    parts += [f"“{shown(track.title)}”"] if track.title else []
    parts += [FLAG_NAMES.get(flag, flag.replace("_", " ")) for flag in track.flags]
    parts += [clock(track.duration_s)] if track.duration_s else []
    return ", ".join(parts) + ("" if track.decodable else " (cannot be decoded)")
