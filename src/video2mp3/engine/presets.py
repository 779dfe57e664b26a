"""Presets: named sets of the other options. An option that is given beside a preset wins over the preset's."""

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "voice": {"average_kbps": 48, "channels": 1, "sample_rate_hz": 24000},
    "podcast": {"bitrate_kbps": 128, "sample_rate_hz": 44100, "loudness_lufs": -16},
    "standard": {"vbr_quality": 2},
    "high": {"vbr_quality": 0},
    "max": {"bitrate_kbps": 320},
}
"""`voice`: one speaker, as small as is good to listen to. `podcast`: plays everywhere, as loud as others.
`standard`: cannot be told from the source by most ears, as LAME's V2. `high`: LAME's V0. `max`: the most that MP3
has."""
DEFAULT_PRESET = "standard"
"""What applies where neither a preset nor a bitrate or quality is given: on the page, in the API and in commands."""


def described() -> str:
    """Returns what each preset stands for, in one sentence."""
    return "; ".join(
        f"{name}: " + ", ".join(f"{option} {value}" for option, value in options.items())
        for name, options in PRESETS.items()
    )
