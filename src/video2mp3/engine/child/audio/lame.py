"""LAME's C functions, from the library in the package lameenc. Source: `lame.h` of LAME 3.100 to 4.0.

The package's class forces plain stereo above 128 kbit/s: it codes each channel alone, which sounds worse at the same
size (docs/encoder.md). The C functions allow joint stereo.
"""

import ctypes
from collections.abc import Callable
from typing import Any, cast

import lameenc

JOINT_STEREO, MONO = 1, 3
"""`MPEG_mode`."""
VBR_OFF, VBR_ABR, VBR_MTRH = 0, 3, 4
"""`vbr_mode`; the last is the newer of LAME's two ways, and its default."""

_library = ctypes.CDLL(lameenc.__file__)
_Handle = ctypes.c_void_p
# Buffer size per call, from LAME's documentation.
_WORST_BYTES_PER_SAMPLE, _WORST_BYTES = 1.25, 7200
_BYTES_PER_SAMPLE = 2


def _function(name: str, result: type, *parameters: type) -> Callable[..., Any]:
    function: Any = getattr(_library, name)
    function.restype, function.argtypes = result, parameters
    return cast("Callable[..., Any]", function)


_init = _function("lame_init", _Handle)
_init_params = _function("lame_init_params", ctypes.c_int, _Handle)
_close = _function("lame_close", ctypes.c_int, _Handle)
_encode_mono = _function(
    "lame_encode_buffer", ctypes.c_int, _Handle, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int, _Handle, ctypes.c_int
)
_encode_stereo = _function(
    "lame_encode_buffer_interleaved", ctypes.c_int, _Handle, ctypes.c_char_p, ctypes.c_int, _Handle, ctypes.c_int
)
_flush = _function("lame_encode_flush", ctypes.c_int, _Handle, _Handle, ctypes.c_int)
_SILENCED = ("lame_set_errorf", "lame_set_debugf", "lame_set_msgf")
_SETTERS = {
    name: _function(f"lame_set_{name}", ctypes.c_int, _Handle, ctypes.c_int)
    for name in (
        "num_channels",
        "in_samplerate",
        "out_samplerate",
        "quality",
        "mode",
        "brate",
        "VBR",
        "VBR_q",
        "VBR_mean_bitrate_kbps",
        "bWriteVbrTag",
    )
}


class Lame:
    """One encoder. Use it from one thread at a time; calls release the GIL."""

    def __init__(self, channels: int, **settings: int) -> None:
        """Initializes LAME.

        Args:
            channels: 1 or 2.
            settings: Named like LAME's setters, without `lame_set_`.

        Raises:
            RuntimeError: LAME rejects the settings.
        """
        self._channels = channels
        self._handle: int | None = _init()
        if not self._handle:
            raise RuntimeError("LAME has no memory for an encoder")
        for name in _SILENCED:
            _function(name, ctypes.c_int, _Handle, _Handle)(self._handle, None)
        # The info tag is written by `mp3/writer.py`, once the length is known.
        for name, value in {"num_channels": channels, **settings, "bWriteVbrTag": 0}.items():
            self._require(_SETTERS[name](self._handle, value), f"{name} {value}")
        self._require(_init_params(self._handle), f"these settings together: {settings}")

    def __del__(self) -> None:
        self.close()

    def encode(self, pcm: bytes) -> bytes:
        """Returns complete bytes of the stream, cut anywhere.

        Args:
            pcm: Interleaved 16-bit samples in the machine's order.
        """
        samples = len(pcm) // (_BYTES_PER_SAMPLE * self._channels)
        buffer = ctypes.create_string_buffer(int(samples * _WORST_BYTES_PER_SAMPLE) + _WORST_BYTES)
        if self._channels == 1:
            size = _encode_mono(self._handle, pcm, pcm, samples, buffer, len(buffer))
        else:
            size = _encode_stereo(self._handle, pcm, samples, buffer, len(buffer))
        self._require(size, "the PCM")
        return ctypes.string_at(buffer, size)

    def finish(self) -> bytes:
        """Returns the remaining bytes, and frees the encoder."""
        buffer = ctypes.create_string_buffer(_WORST_BYTES)
        size = _flush(self._handle, buffer, len(buffer))
        self._require(size, "the end")
        self.close()
        return ctypes.string_at(buffer, size)

    def close(self) -> None:
        """Frees the encoder; do not use it afterwards."""
        handle, self._handle = getattr(self, "_handle", None), None
        if handle:
            _close(handle)

    def _require(self, result: int, what: str) -> None:
        if result < 0:
            self.close()
            raise RuntimeError(f"LAME does not take {what} ({result})")
