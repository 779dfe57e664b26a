"""docs/options.md tells every option as the code has it."""

from dataclasses import fields
from pathlib import Path

from video2mp3.cli.flags import flag_of
from video2mp3.engine import Options
from video2mp3.engine.presets import PRESETS

DOCUMENT = Path(__file__).parents[2] / "docs" / "options.md"


def options_table() -> str:
    rows = [f"| `{o.name}` | `{flag_of(o.name)}` | {o.metadata['description']} |" for o in fields(Options)]
    return "\n".join(["| option | flag | what |", "|---|---|---|", *rows])


def presets_table() -> str:
    rows = [
        f"| `{name}` | {', '.join(f'`{k}` {v}' for k, v in options.items())} |" for name, options in PRESETS.items()
    ]
    return "\n".join(["| preset | stands for |", "|---|---|", *rows])


def test_every_option_is_documented() -> None:
    """It should list each with its flag and its description."""
    assert options_table() in DOCUMENT.read_text()


def test_every_preset_is_documented() -> None:
    """It should list what each stands for."""
    assert presets_table() in DOCUMENT.read_text()
