import re
from dataclasses import fields

import pytest
import typer
from typer.testing import CliRunner

from video2mp3.cli import app
from video2mp3.cli.flags import flag_of, with_flags
from video2mp3.cli.values import seconds, split_at
from video2mp3.engine import Options


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1:30", 90),
        ("1:02:03.5", 3723.5),
        ("100:00:00", 360_000),
        ("0:07", 7),
        ("90s", 90),
        ("1m", 60),
        ("1h 2m 3.5s", 3723.5),
    ],
)
def test_times_are_read_as_people_write_them(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "-1", "1:60", "1:60:00", "1:2:3:4", "1x", "nan", "1:", "."])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a time"):
        seconds(text)


def test_flags_are_the_names_of_the_field() -> None:
    flags = {flag_of(option.name) for option in fields(Options)}
    assert len(flags) == len(fields(Options))
    assert flags >= {"--bitrate", "--vbr", "--abr", "--preset", "--channels", "--sample-rate", "--start", "--end"}


def test_a_split_is_a_word_or_a_time() -> None:
    assert [split_at(text) for text in ("chapters", "silence", "10:00")] == ["chapters", "silence", 600]
    with pytest.raises(typer.BadParameter, match="'parts' is neither chapters nor silence nor a time"):
        split_at("parts")


def test_help_lists_each_option_once_in_groups() -> None:
    """It should tell what belongs together, in plain text that can be copied."""
    found = CliRunner().invoke(app, ["convert", "--help"])
    heads = [line for line in found.output.splitlines() if line.endswith(":") and not line.startswith(" ")]
    groups = ["Encoding:", "What to convert:", "Tags and cover:", "Sound:", "Output:"]
    assert heads == ["Arguments:", *groups, "Options:"]
    listed = re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+)", found.output, re.MULTILINE)
    flags = {flag_of(option.name) for option in fields(Options)}
    output = "--output --threads --jobs --force --skip-existing --keep-times --dry-run --watch --json --quiet --verbose"
    assert set(listed) == flags | {*output.split(), "--help"}
    assert len(set(listed)) == len(listed)


def test_sentences_name_the_flags() -> None:
    assert with_flags("end_s: must be later than start_s.") == "--end: must be later than --start."
    assert with_flags("title: must not be longer.") == "--title: must not be longer."
    assert with_flags("1: mono, the title: mine") == "1: mono, the title: mine"
    assert with_flags("channels 1 and preset, for split silence") == "--channels 1 and --preset, for --split silence"


@pytest.mark.parametrize(
    "text", ["9" * 5000, "9" * 5000 + ":00:00", "1." + "9" * 5000, "nan", "inf", "1e308", "-1", "٣"]
)
def test_no_time_has_more_digits_than_a_clock(text: str) -> None:
    """It should be refused with a sentence, not with a traceback."""
    with pytest.raises(typer.BadParameter):
        seconds(text)
