"""Limits of one conversion."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of one conversion.

    The parent ends a child that takes too long, the kernel refuses it more memory, and the child refuses longer audio.
    """

    max_audio_s: float = 24 * 3600.0
    """Longest audio in decoded seconds, independent of the duration that the file claims."""
    wall_clock_s: float = 4 * 3600.0
    """Longest time for one conversion."""
    no_progress_s: float = 60.0
    """Longest time without a new decoded sample, not counting time spent waiting for the source."""
    memory_bytes: int = 1024**3
    """Address space of the process. It includes libraries and stacks, so it is much more than the memory used."""

    threads: int | None = None
    """Encoder threads; None: one per processor available to this process. The MP3 does not depend on it."""

    def as_dict(self) -> dict[str, float | None]:
        """Returns the limits as plain values."""
        return asdict(self)
