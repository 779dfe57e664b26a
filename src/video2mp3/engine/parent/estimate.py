"""How large an MP3 will be and how long it will take, told before anything is converted."""

from collections.abc import Mapping
from typing import Any

from video2mp3.engine.options import DEFAULT_BITRATE_KBPS

_VBR_KBPS = (245, 225, 190, 175, 165, 130, 115, 100, 85, 65)
"""What each quality comes out at on average for stereo at 44.1 kHz, as LAME documents it."""
_MONO_SHARE = 0.6
_SPEED = 45.0
"""Times real time on one core of an ordinary server, decoding and encoding."""
_COPYING_SPEED = 1000.0
_START_S = 0.2


def wanted_s(options: Mapping[str, Any], duration_s: float | None) -> float | None:
    """Returns the length of the stretch that is to be converted, as far as that is known."""
    end_s: float | None = options.get("end_s", duration_s)
    if end_s is None or duration_s is None:
        return None
    start_s: float = options.get("start_s", 0.0)
    return max(min(end_s, duration_s) - start_s, 0.0)


def size_bytes(options: Mapping[str, Any], channels: int, wanted_s: float) -> int:
    """Returns about how large the MP3 will be.

    Args:
        options: as `Options.resolved()`.
        channels: of the source.
        wanted_s: the length to be converted.
    """
    kbps = options.get("bitrate_kbps") or options.get("average_kbps") or DEFAULT_BITRATE_KBPS
    if "vbr_quality" in options:
        mono = options.get("channels", channels) == 1
        kbps = _VBR_KBPS[options["vbr_quality"]] * (_MONO_SHARE if mono else 1)
    return round(kbps * 125 * wanted_s)


def time_s(options: Mapping[str, Any], threads: int, wanted_s: float) -> float:
    """Returns about how long the conversion will take, on a machine with nothing else to do."""
    speed = _COPYING_SPEED if options.get("copy") else _SPEED * threads
    return round(_START_S + wanted_s / speed, 1)
