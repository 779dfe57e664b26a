"""Estimates the size of an MP3 and the time of its conversion."""

from video2mp3.engine.options import ResolvedOptions

_VBR_KBPS = (245, 225, 190, 175, 165, 130, 115, 100, 85, 65)
"""Average bitrate of each quality for stereo at 44.1 kHz, from LAME's documentation."""
_MONO_SHARE = 0.6
_SPEED = 45.0
"""Conversion speed on one core of an ordinary server, relative to real time."""
_COPYING_SPEED = 1000.0
_START_S = 0.2


def wanted_s(options: ResolvedOptions, duration_s: float | None) -> float | None:
    """Returns the duration to convert, or None if it is not known."""
    if duration_s is None:
        return None
    end_s = duration_s if options.end_s is None else min(options.end_s, duration_s)
    return max(end_s - options.start_s, 0.0)


def size_bytes(options: ResolvedOptions, channels: int, wanted_s: float) -> int:
    """Returns the estimated size of the MP3.

    Args:
        options: of the conversion.
        channels: channels of the source.
        wanted_s: the duration to convert.
    """
    kbps: float = options.bitrate_kbps or options.average_kbps or 0
    if options.vbr_quality is not None:
        mono = options.channels_for(channels) != 2
        kbps = _VBR_KBPS[options.vbr_quality] * (_MONO_SHARE if mono else 1)
    return round(kbps * 125 * wanted_s)


def time_s(options: ResolvedOptions, threads: int, wanted_s: float) -> float:
    """Returns the estimated time of the conversion on a machine without other load."""
    speed = _COPYING_SPEED if options.copy else _SPEED * threads
    return round(_START_S + wanted_s / speed, 1)
