"""Settings of the encoder, which the LAME tag declares too."""

from dataclasses import dataclass

QUALITY = 3
"""LAME's and ffmpeg's own default (docs/encoder.md has what the others give)."""


@dataclass(frozen=True)
class EncoderSettings:
    """Settings of the encoder."""

    sample_rate_hz: int
    channels: int
    bitrate_kbps: int | None
    """None: not a constant bitrate."""
    vbr_quality: int | None
    quality: int = QUALITY
    average_kbps: int | None = None
    """ABR: variable bitrate that reaches this on average."""
