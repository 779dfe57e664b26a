"""Defaults of flags: which variables there are, and where the file is."""

import sys
from importlib import import_module
from pathlib import Path

import pytest
from typer.main import get_command

from tests.cli.running import run
from video2mp3.cli.config_folder import config_folder
from video2mp3.cli.defaults import CONFIG_VARIABLE, KEYS_OF_ONE_RUN, nearest_variable, variable_of
from video2mp3.cli.options_command import KEYS
from video2mp3.engine import Options
from video2mp3.engine.presets import DEFAULT_PRESET
from video2mp3.settings import COMMAND_LINE_VARIABLES, Settings, load_settings

VARIABLES = {variable_of(key) for key in KEYS} | {CONFIG_VARIABLE, "VIDEO2MP3_TOKEN"}
PAGE = Path(__file__).parents[2] / "web" / "src" / "options" / "presets.ts"


def test_every_key_is_a_flag_of_a_command() -> None:
    commands = [get_command(import_module(f"video2mp3.cli.{name}").app) for name in ("convert", "push")]
    flags = {word for command in commands for parameter in command.params for word in parameter.opts}
    assert {f"--{key}" for key in KEYS} <= flags
    assert {flag[2:] for flag in flags if flag.startswith("--")} - KEYS == set(KEYS_OF_ONE_RUN)


def test_the_service_knows_the_variables_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It should start where they are set."""
    assert COMMAND_LINE_VARIABLES == VARIABLES
    assert not COMMAND_LINE_VARIABLES & {f"VIDEO2MP3_{name.upper()}" for name in Settings.model_fields}
    monkeypatch.setenv("VIDEO2MP3_BITRATE", "128k")
    load_settings()


@pytest.mark.parametrize("ending", ["", "_FILE"])
def test_no_setting_of_the_service_is_taken_for_a_misspelled_flag(ending: str) -> None:
    near = {name: nearest_variable(f"VIDEO2MP3_{name.upper()}{ending}", VARIABLES) for name in Settings.model_fields}
    assert {name: one for name, one in near.items() if one} == {}


def test_page_api_and_command_line_have_one_default(tmp_path: Path) -> None:
    assert Options().resolved() == Options(preset=DEFAULT_PRESET).resolved()
    assert f'export const DEFAULT_PRESET: Preset = "{DEFAULT_PRESET}";' in PAGE.read_text()
    (tmp_path / "talk.wav").touch()
    plan = run(tmp_path, "convert", "talk.wav", "-o", "{preset}.mp3", "--dry-run")
    assert plan.stdout == f"talk.wav -> {DEFAULT_PRESET}.mp3\n"


@pytest.mark.parametrize(
    ("system", "variables", "folder"),
    [
        ("linux", {"XDG_CONFIG_HOME": "/x"}, "/x/video2mp3"),
        ("linux", {"XDG_CONFIG_HOME": "x", "HOME": "/h"}, "/h/.config/video2mp3"),
        ("linux", {"HOME": "/h", "APPDATA": "/a"}, "/h/.config/video2mp3"),
        ("darwin", {"HOME": "/h"}, "/h/.config/video2mp3"),
        ("win32", {"APPDATA": "/a", "HOME": "/h"}, "/a/video2mp3"),
        ("win32", {"XDG_CONFIG_HOME": "/x", "APPDATA": "/a"}, "/x/video2mp3"),
    ],
)
def test_the_folder_is_where_users_expect_it(
    system: str, variables: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CONFIG_HOME", "APPDATA", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", system)
    assert config_folder() == Path(folder)
