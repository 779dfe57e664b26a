"""The manual page is well-formed, and names all that the help names."""

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from tests.servers import require_program
from video2mp3.cli import app
from video2mp3.cli.man_page import man_page


@pytest.fixture(scope="module")
def page() -> str:
    return man_page()


def commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        whole = group.whole(name) if hasattr(group, "whole") else command
        if hasattr(whole, "commands"):
            yield from commands(whole, f"{path} {name}")
        else:
            yield f"{path} {name}", whole


def test_groff_formats_it_without_a_warning(page: str) -> None:
    command = [require_program("groff"), "-k", "-man", "-ww", "-Tutf8", "-P-c"]
    done = subprocess.run(command, input=page, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    text = re.sub(".\b", "", done.stdout)
    for heading in ("NAME", "SYNOPSIS", "OPTIONS", "COMMANDS", "ENVIRONMENT", "FILES", "EXIT STATUS"):
        assert f"\n{heading}\n" in text, heading


def test_a_page_that_is_broken_is_warned_of() -> None:
    """A control of the test above."""
    command = [require_program("groff"), "-k", "-man", "-ww", "-z"]
    assert subprocess.run(command, input=".TH A 1\n.XY\n", capture_output=True, text=True, check=True).stderr


def test_it_names_every_command_and_option(page: str) -> None:
    plain = page.replace(r"\-", "-")
    sections = {part.split("\n")[0].split(" [")[0].split(" {")[0]: part for part in plain.split("\n.SS ")[1:]}
    found = dict(commands(get_command(app), "video2mp3"))
    assert len(found) > 20
    for name, command in found.items():
        section = next(part for heading, part in sections.items() if f"{heading} ".startswith(f"{name} "))
        options = [word for parameter in command.params for word in (*parameter.opts, *parameter.secondary_opts)]
        assert [word for word in options if word.startswith("-") and not re.search(rf"{word}\b", section)] == [], name
        assert "--help" in section
        assert "<str>" not in section
