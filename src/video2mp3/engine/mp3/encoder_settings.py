"""How an MP3 is encoded: what LAME is told, and what the LAME tag says of it."""

from dataclasses import dataclass

QUALITY = 3
"""LAME's and ffmpeg's own default (docs/encoder.md has what the others give)."""


@dataclass(frozen=True)
class EncoderSettings:
    """What the encoder is told."""

    sample_rate_hz: int
    channels: int
    bitrate_kbps: int | None
    """None: not a constant bitrate."""
    vbr_quality: int | None
    quality: int = QUALITY
    average_kbps: int | None = None
    """ABR: variable bitrate that reaches this on average."""
