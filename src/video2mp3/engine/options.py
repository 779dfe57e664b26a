"""The options of a conversion: one typed schema for the library, the API and the command line."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from video2mp3.errors import InvalidOption

BITRATES_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 192, 224, 256, 320)
"""Every bitrate of MPEG-1, MPEG-2 and MPEG-2.5 layer III."""
DEFAULT_BITRATE_KBPS = 192
MAX_TITLE_LENGTH = 300


@dataclass(frozen=True)
class Options:
    """How the MP3 is to be made; what is None is left to the engine.

    Raises:
        InvalidOption: naming the field.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    bitrate_kbps: int | None = None
    """Constant bitrate; at sample rates below 32 kHz the nearest that MP3 has there is used."""
    vbr_quality: int | None = None
    """Variable bitrate: 0 (best, largest) to 9, as LAME's -V. At most one of the two may be set."""
    title: str | None = None
    """Title to write (ID3 TIT2); None: the source's own, else its file name; an empty one: none."""

    def __post_init__(self) -> None:
        _check_int("bitrate_kbps", self.bitrate_kbps)
        _check_int("vbr_quality", self.vbr_quality)
        if self.bitrate_kbps is not None and self.bitrate_kbps not in BITRATES_KBPS:
            allowed = ", ".join(map(str, BITRATES_KBPS))
            raise InvalidOption(
                f"bitrate_kbps: MP3 has no bitrate of {self.bitrate_kbps} kbit/s; use one of {allowed}."
            )
        if self.vbr_quality is not None and not 0 <= self.vbr_quality <= 9:
            raise InvalidOption("vbr_quality: must be from 0 (best) to 9 (smallest).")
        if self.bitrate_kbps is not None and self.vbr_quality is not None:
            raise InvalidOption("vbr_quality: cannot be used together with bitrate_kbps; choose one of the two.")
        if self.title is not None and not isinstance(self.title, str):
            raise InvalidOption("title: must be text.")
        if self.title is not None and len(self.title) > MAX_TITLE_LENGTH:
            raise InvalidOption(f"title: must not be longer than {MAX_TITLE_LENGTH} characters.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Options":
        """Makes options from plain values.

        Raises:
            InvalidOption: an unknown name, a wrong type or a value that is not allowed.
        """
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise InvalidOption(
                    f"There is no option {str(name)[:50]!r}; the options are {', '.join(sorted(known))}."
                )
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """Returns what is set, as plain values for `from_dict`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


def _check_int(name: str, value: object) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise InvalidOption(f"{name}: must be a whole number.")
