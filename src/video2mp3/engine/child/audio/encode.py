"""PCM to MP3 frames, with LAME."""

from video2mp3.engine.child.audio.lame import JOINT_STEREO, MONO, VBR_ABR, VBR_MTRH, VBR_OFF, Lame
from video2mp3.engine.mp3.encoder_settings import EncoderSettings
from video2mp3.engine.mp3.frames import bitrates_kbps, samples_per_frame
from video2mp3.engine.mp3.info_tag import DECODER_DELAY, ENCODER_DELAY


def settings_for(
    sample_rate_hz: int,
    channels: int,
    bitrate_kbps: int | None,
    vbr_quality: int | None,
    average_kbps: int | None = None,
) -> EncoderSettings:
    """Returns the settings, with the nearest bitrate that MP3 has at this sample rate; the higher one of two."""
    if average_kbps is not None:
        lowest, *_, highest = bitrates_kbps(sample_rate_hz)
        average_kbps = min(max(average_kbps, lowest), highest)
        return EncoderSettings(sample_rate_hz, channels, None, None, average_kbps=average_kbps)
    if vbr_quality is not None:
        return EncoderSettings(sample_rate_hz, channels, None, vbr_quality)
    assert bitrate_kbps is not None  # options set one of the three
    nearest = min(reversed(bitrates_kbps(sample_rate_hz)), key=lambda rate: abs(rate - bitrate_kbps))
    return EncoderSettings(sample_rate_hz, channels, nearest, None)


def lead_in_samples(sample_rate_hz: int, samples: int) -> int:
    """Returns the samples of silence to insert before very short audio, as part of the encoder delay.

    If frames have 576 samples and the audio ends in the frame in which it begins, ffmpeg does not skip the delay. With
    this silence, the audio begins at a frame boundary.
    """
    begins = ENCODER_DELAY + DECODER_DELAY
    rest = -begins % samples_per_frame(sample_rate_hz)
    return rest if begins > samples_per_frame(sample_rate_hz) and samples <= rest else 0


class Encoder:
    """One LAME encoder: takes interleaved 16-bit PCM in the machine's order, gives MP3 frames."""

    def __init__(self, settings: EncoderSettings) -> None:
        rate = settings.sample_rate_hz
        self._lame = Lame(
            settings.channels,
            in_samplerate=rate,
            # By default, LAME halves the rate at low bitrates.
            out_samplerate=rate,
            quality=settings.quality,
            mode=MONO if settings.channels == 1 else JOINT_STEREO,
            **_bits(settings),
        )

    def encode(self, pcm: bytes) -> bytes:
        """Returns complete bytes of the stream, cut anywhere."""
        return self._lame.encode(pcm)

    def finish(self) -> bytes:
        """Returns the remaining bytes."""
        return self._lame.finish()


def _bits(settings: EncoderSettings) -> dict[str, int]:
    if settings.vbr_quality is not None:
        return {"VBR": VBR_MTRH, "VBR_q": settings.vbr_quality}
    if settings.average_kbps is not None:
        return {"VBR": VBR_ABR, "VBR_mean_bitrate_kbps": settings.average_kbps}
    assert settings.bitrate_kbps is not None
    return {"VBR": VBR_OFF, "brate": settings.bitrate_kbps}
