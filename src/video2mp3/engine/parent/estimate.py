"""How large an MP3 will be and how long it will take, told before anything is converted."""

from video2mp3.engine.options import DEFAULT_BITRATE_KBPS, ResolvedOptions

_VBR_KBPS = (245, 225, 190, 175, 165, 130, 115, 100, 85, 65)
"""What each quality comes out at on average for stereo at 44.1 kHz, as LAME documents it."""
_MONO_SHARE = 0.6
_SPEED = 45.0
"""Times real time on one core of an ordinary server, decoding and encoding."""
_COPYING_SPEED = 1000.0
_START_S = 0.2


def wanted_s(options: ResolvedOptions, duration_s: float | None) -> float | None:
    """Returns the length of the stretch that is to be converted, as far as that is known."""
    if duration_s is None:
        return None
    end_s = duration_s if options.end_s is None else min(options.end_s, duration_s)
    return max(end_s - options.start_s, 0.0)


def size_bytes(options: ResolvedOptions, channels: int, wanted_s: float) -> int:
    """Returns about how large the MP3 will be.

    Args:
        options: of the conversion.
        channels: of the source.
        wanted_s: the length to be converted.
    """
    kbps: float = options.bitrate_kbps or options.average_kbps or DEFAULT_BITRATE_KBPS
    if options.vbr_quality is not None:
        mono = (options.channels or channels) == 1
        kbps = _VBR_KBPS[options.vbr_quality] * (_MONO_SHARE if mono else 1)
    return round(kbps * 125 * wanted_s)


def time_s(options: ResolvedOptions, threads: int, wanted_s: float) -> float:
    """Returns about how long the conversion will take, on a machine with nothing else to do."""
    speed = _COPYING_SPEED if options.copy else _SPEED * threads
    return round(_START_S + wanted_s / speed, 1)
