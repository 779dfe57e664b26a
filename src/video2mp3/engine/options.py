"""The options of a conversion: one typed schema for the library, the API and the command line.

`Options` is what the user said; `ResolvedOptions` is what all code below the entry points reads.
"""

import base64
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, ClassVar

from video2mp3.engine.chapters import MAX_OWN_CHAPTERS, MAX_OWN_CHAPTERS_LENGTH, parse_chapters
from video2mp3.engine.mp3.frames import RATES_HZ
from video2mp3.engine.mp3.id3 import ID3_VERSIONS
from video2mp3.engine.option_schema import check, declare, kinds_of, number_of
from video2mp3.engine.presets import DEFAULT_PRESET, PRESETS, described
from video2mp3.errors import InvalidOption

BITRATES_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 192, 224, 256, 320)
"""Every bitrate of MPEG-1, MPEG-2 and MPEG-2.5 layer III."""
MAX_TITLE_LENGTH = 300
MAX_COMMENT_LENGTH = 2000
MAX_COVER_BYTES = 5_000_000
MAX_SEGMENTS = 999
"""MP3s that one conversion may make."""
DEFAULT_SILENCE_S, DEFAULT_SILENCE_DB = 2.0, -50.0
MAX_FADE_S = 60
"""What is faded out is held in memory."""
MODES = ("bitrate_kbps", "vbr_quality", "average_kbps", "preset")
"""The options of which one at most may be given."""

SPLITS = ("chapters", "silence")
"""Where to split, other than after a time."""

_CHANGES_SOUND = (*MODES, "channels", "sample_rate_hz", "loudness_lufs", "fade_in_s", "fade_out_s")
_SECONDS = re.compile(r"[0-9]{1,8}(\.[0-9]{1,9})?")
_MAX_TIME_S = 10**7
_MIN_LENGTH_S = 0.001
_VERSION = 1
"""Of resolved options as JSON."""
_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


@dataclass(frozen=True)
class Options:
    """How the MP3 is to be made; what is None is left to the engine.

    Raises:
        InvalidOption: naming the field.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    bitrate_kbps: int | None = declare(
        None,
        "Constant bitrate (CBR) in kbit/s; where the sample rate does not have it, the nearest that it has. "
        f"Of bitrate_kbps, vbr_quality, average_kbps and preset one at most; none: the preset {DEFAULT_PRESET}.",
        enum=[*BITRATES_KBPS, None],
    )
    vbr_quality: int | None = declare(
        None, "Variable bitrate (VBR), as LAME's -V: 0 (best, largest) to 9 (smallest).", minimum=0, maximum=9
    )
    average_kbps: int | None = declare(
        None, "Average bitrate (ABR) in kbit/s: varies, but comes out near this.", minimum=8, maximum=320
    )
    preset: str | None = declare(
        None,
        f"A set of other options ({described()}). Other options given beside it win.",
        enum=[*PRESETS, None],
    )
    channels: int | str | None = declare(
        None,
        "1: mono, 2: joint stereo; left, right: mono, of this channel alone; none: the source's, at most 2.",
        enum=[1, 2, "left", "right", None],
    )
    sample_rate_hz: int | None = declare(
        None,
        "Sample rate of the MP3; none: the source's, or the next higher that MP3 has, at most 48000.",
        enum=[*RATES_HZ, None],
    )
    start_s: float | None = declare(
        None, "Leave out what comes before this time, in seconds; exact to the sample.", minimum=0, maximum=_MAX_TIME_S
    )
    end_s: float | None = declare(
        None,
        "Leave out what comes from this time on, in seconds of the source; exact to the sample.",
        minimum=_MIN_LENGTH_S,
        maximum=_MAX_TIME_S,
    )
    track: int | str | None = declare(
        None,
        "The audio track: its number, from 1 on, or its language's code (ISO 639: de, deu or ger); none: the default; "
        "all: every one that can be decoded, each as a separate MP3; mix: the same, mixed into one.",
        minimum=1,
        maximum=100,
        maxLength=20,
    )
    split: float | str | None = declare(
        None,
        "Make several MP3s that play without a gap: one for each chapter (chapters), one from each "
        "silence to the next (silence), or each of so many seconds (a number; a rest of less than a second and "
        "less than half of that joins the last); none: one MP3.",
        minimum=1,
        maximum=_MAX_TIME_S,
        maxLength=20,
    )
    silence_s: float = declare(
        DEFAULT_SILENCE_S,
        "How long, in seconds, it has to be quiet for split silence; the next MP3 begins half of that after the sound "
        "ends.",
        minimum=0.2,
        maximum=60,
    )
    silence_db: float = declare(
        DEFAULT_SILENCE_DB,
        "How quiet it has to be for split silence: no sample of the source is louder than this, in dBFS.",
        minimum=-96,
        maximum=-10,
    )
    copy: bool = declare(
        False,
        "Take the source's own MP3 frames over as they are, without decoding and encoding; only where the audio is "
        "MP3, and not together with options that change the sound.",
    )
    title: str | None = declare(
        None,
        "Title to write (ID3 TIT2); none: the source's own, else its file name; an empty one: none.",
        maxLength=MAX_TITLE_LENGTH,
    )
    artist: str | None = declare(None, "Artist to write (TPE1); an empty one: none.", maxLength=MAX_TITLE_LENGTH)
    album: str | None = declare(None, "Album to write (TALB); an empty one: none.", maxLength=MAX_TITLE_LENGTH)
    date: str | None = declare(
        None, "Date to write (TYER and TDAT, or TDRC): YYYY, YYYY-MM or YYYY-MM-DD; an empty one: none.", maxLength=10
    )
    genre: str | None = declare(None, "Genre to write (TCON); an empty one: none.", maxLength=MAX_TITLE_LENGTH)
    comment: str | None = declare(None, "Comment to write (COMM); an empty one: none.", maxLength=MAX_COMMENT_LENGTH)
    track_number: int | None = declare(None, "Number in the album to write (TRCK).", minimum=1, maximum=9999)
    keep_tags: bool = declare(
        True,
        "Keep the source's tags that say what it is: title, artist, album artist, album, composer, genre, "
        "date, track and disc number.",
    )
    keep_private_tags: bool = declare(
        False, "Keep all other tags of the source too: place, device, time of recording, comments, persons."
    )
    cover: str = declare(
        "source", "The front cover (APIC): the picture attached to the source, or none.", enum=["source", "none"]
    )
    cover_at_s: float | None = declare(
        None,
        "Take the video's picture at this time, in seconds of the source, as the front cover: a JPEG of at most 1000 "
        "pixels a side.",
        minimum=0,
        maximum=_MAX_TIME_S,
    )
    cover_picture: bytes | None = declare(
        None,
        "Take this picture as the front cover: at most 5 MB. A JPEG or PNG only loses its Exif, comments and texts; a "
        "WebP, AVIF, GIF or BMP becomes a JPEG of at most 1000 pixels a side.",
        maxLength=MAX_COVER_BYTES,
    )
    chapters: bool = declare(True, "Write the chapters (CHAP and CTOC).")
    own_chapters: str | None = declare(
        None,
        "Chapters to use instead of the source's, also for split chapters: on each line a time in the source and a "
        f"title, such as 1:30 The interview; at most {MAX_OWN_CHAPTERS}. Each goes on to the next one.",
        maxLength=MAX_OWN_CHAPTERS_LENGTH,
    )
    id3_version: str = declare(
        ID3_VERSIONS[0], "Version of the ID3 tag: 2.3, which every player reads, or 2.4.", enum=[*ID3_VERSIONS]
    )
    loudness_lufs: float | None = declare(
        None,
        "Bring to this loudness in LUFS (EBU R128), such as -16 or -23, by one gain for all of it; true peaks of the "
        "MP3 stay below -1 dBTP, if need be with less loudness.",
        minimum=-50,
        maximum=-5,
    )
    fade_in_s: float | None = declare(None, "Fade in over this many seconds.", minimum=0, maximum=MAX_FADE_S)
    fade_out_s: float | None = declare(None, "Fade out over the last seconds.", minimum=0, maximum=MAX_FADE_S)
    timing: str = declare(
        "file",
        "Silence where the source has no sound, so that every second is where the video has it (file), or none, which "
        "joins the sound (packed). All times mean the source's in both.",
        enum=["file", "packed"],
    )
    fail_on_damage: bool = declare(
        False, "Fail where audio is damaged or the file is cut short, instead of converting what is there."
    )

    def __post_init__(self) -> None:
        for option in fields(self):
            check(option, getattr(self, option.name))
        given = [name for name in MODES if getattr(self, name) is not None]
        if len(given) > 1:
            raise InvalidOption(f"{given[1]}: cannot be used together with {given[0]}; choose one of them.")
        self._require_one_cover()
        if self.end_s is not None and self.end_s <= (self.start_s or 0):
            raise InvalidOption("end_s: must be later than start_s.")
        if self.date and not _DATE.fullmatch(self.date):
            raise InvalidOption("date: must be YYYY, YYYY-MM or YYYY-MM-DD.")
        if isinstance(self.track, str) and number_of(self.track) is None and not _LANGUAGE.fullmatch(self.track):
            raise InvalidOption("track: must be a track's number, from 1 on, or the code of a language, such as deu.")
        self._require_sense_of_segments()
        if self.copy and self.track == "mix":
            raise InvalidOption("copy: cannot be used together with track mix, which changes the sound.")
        if self.timing == "packed" and self.track == "mix":
            raise InvalidOption(
                "timing: packed cannot be used together with track mix, which keeps the tracks aligned."
            )
        if self.own_chapters is not None:
            parse_chapters(self.own_chapters)
            if not self.chapters:
                raise InvalidOption("own_chapters: cannot be used where chapters is false.")
        if self.keep_private_tags and not self.keep_tags:
            raise InvalidOption("keep_private_tags: cannot be used where keep_tags is false.")

    def _require_one_cover(self) -> None:
        chosen = {
            "cover": self.cover == "none",
            "cover_at_s": self.cover_at_s is not None,
            "cover_picture": self.cover_picture is not None,
        }
        given = [name for name, is_given in chosen.items() if is_given]
        if len(given) > 1:
            first = "cover: none" if given[0] == "cover" else f"{given[0]}:"
            raise InvalidOption(f"{first} cannot be used together with {given[1]}; choose one of them.")

    def _require_sense_of_segments(self) -> None:
        seconds = _interval_s(self.split)
        if seconds is None and self.split not in (None, *SPLITS):
            raise InvalidOption(f"split: must be {', '.join(SPLITS)} or a number of seconds.")
        if seconds is not None and seconds < 1:
            raise InvalidOption("split: must be at least 1 second.")
        given = self.as_dict()
        if self.split != "silence":
            for name in ("silence_s", "silence_db"):
                if name in given:
                    raise InvalidOption(f"{name}: is only for split silence.")
        if self.copy:
            for name in _CHANGES_SOUND:
                if name in given:
                    raise InvalidOption(f"copy: cannot be used together with {name}, which changes the sound.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Options":
        """Makes options from plain values; None counts as not given.

        Raises:
            InvalidOption: an unknown name, a wrong type or a value that is not allowed.
        """
        require_known(values, [option.name for option in fields(cls)])
        return cls(**{name: value for name, value in values.items() if value is not None})

    def as_dict(self) -> dict[str, Any]:
        """Returns what is set, as plain values for `from_dict`."""
        return {
            option.name: getattr(self, option.name)
            for option in fields(self)
            if getattr(self, option.name) != option.default
        }

    def resolved(self) -> "ResolvedOptions":
        """Applies the preset and fills in the defaults."""
        has_mode = self.copy or any(getattr(self, mode) is not None for mode in MODES)
        preset = self.preset if has_mode else DEFAULT_PRESET
        values: dict[str, Any] = {option.name: option.default for option in fields(self)}
        values |= dict.fromkeys(("start_s", "fade_in_s", "fade_out_s"), 0.0)
        values |= {**PRESETS.get(preset or "", {}), **self.as_dict(), "preset": preset}
        values["track"] = self.track if (number := number_of(self.track)) is None else int(number)
        values["split"] = self.split if (length_s := _interval_s(self.split)) is None else length_s
        return ResolvedOptions(**values)


@dataclass(frozen=True)
class ResolvedOptions:
    """Options with the preset applied and the defaults filled in; see `Options` for what each one does."""

    preset: str | None
    """Only its name: what it stands for is in the other fields."""
    bitrate_kbps: int | None
    """One of bitrate_kbps, vbr_quality and average_kbps is set, unless MP3 is copied."""
    vbr_quality: int | None
    average_kbps: int | None
    channels: int | str | None
    """1, 2, `left`, `right`, or None: the source's; so is sample_rate_hz."""
    sample_rate_hz: int | None
    start_s: float
    end_s: float | None
    track: int | str | None
    """A number, a language's code, `all`, `mix`, or None: the file's default."""
    split: float | str | None
    """`chapters`, `silence`, the length of each segment in seconds, or None: one MP3."""
    silence_s: float
    silence_db: float
    copy: bool
    title: str | None
    artist: str | None
    album: str | None
    date: str | None
    genre: str | None
    comment: str | None
    track_number: int | None
    keep_tags: bool
    keep_private_tags: bool
    cover: str
    cover_at_s: float | None
    cover_picture: bytes | None
    chapters: bool
    own_chapters: str | None
    """Lines for `own_chapters.parse_chapters`."""
    id3_version: str
    loudness_lufs: float | None
    fade_in_s: float
    fade_out_s: float
    timing: str
    """`file` or `packed`."""
    fail_on_damage: bool

    @property
    def all_tracks(self) -> bool:
        """Whether each audio track becomes an MP3."""
        return self.track == "all"

    @property
    def mixes_tracks(self) -> bool:
        """Whether all audio tracks become one MP3."""
        return self.track == "mix"

    def channels_for(self, source_channels: int) -> int | str:
        """Returns what the MP3 gets of a source with so many channels: 1, 2, `left` or `right`."""
        return self.channels or min(source_channels, 2)

    @property
    def changes_loudness(self) -> bool:
        """Whether the MP3 may have another loudness than the source, which the source's gain tags would not fit."""
        return self.loudness_lufs is not None or self.channels is not None or self.mixes_tracks

    @property
    def makes_segments(self) -> bool:
        """Whether more than one MP3 is asked for, even where it then is one: it is named as a segment."""
        return self.split is not None or self.all_tracks

    def requested(self) -> dict[str, Any]:
        """Returns what was asked for, as plain values for `Options.from_dict`; what has its default is left out."""
        default = Options(preset=self.preset).resolved()
        modes = MODES if self.preset is None else ()
        given = {name: value for name, value in self._set() if name in modes or value != getattr(default, name)}
        return given if self.preset is None else {"preset": self.preset, **given}

    def as_json(self) -> dict[str, Any]:
        """Returns values for `from_json`; what is None is left out."""
        values = {"version": _VERSION, **dict(self._set())}
        if self.cover_picture is not None:
            values["cover_picture"] = base64.b64encode(self.cover_picture).decode()
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ResolvedOptions":
        """Reads what `as_json` has written.

        Raises:
            ValueError: another version of the program has written it.
        """
        if values["version"] != _VERSION:
            raise ValueError(f"options of version {values['version']}, not {_VERSION}")
        names = [option.name for option in fields(cls)]
        # A name that is not there was None, or unknown to the version that has written the others.
        default = Options().resolved()
        later = {name: getattr(default, name) for name in names if name not in MODES}
        known: dict[str, Any] = dict.fromkeys(names) | later | {name: values[name] for name in names if name in values}
        if (picture := known["cover_picture"]) is not None:
            known["cover_picture"] = base64.b64decode(picture)
        return cls(**known)

    def _set(self) -> Iterator[tuple[str, Any]]:
        for option in fields(self):
            if (value := getattr(self, option.name)) is not None:
                yield option.name, value


def _interval_s(split: float | str | None) -> float | None:
    """Returns the length of each segment in seconds, where `split` says one, as a number or in digits."""
    if isinstance(split, str):
        return float(split) if _SECONDS.fullmatch(split) else None
    return split


def require_known(names: Iterable[str], known: Collection[str]) -> None:
    """Raises InvalidOption for the first name that is not known; it suggests the nearest that is."""
    for name in names:
        if name not in known:
            said = str(name)[:50]
            (nearest,) = get_close_matches(said, known, 1, 0.0)
            raise InvalidOption(f"There is no option {said!r}; the nearest is {nearest}.")


def value_of_text(name: str, text: str) -> Any:
    """Returns the value of the option's type that a text stands for; the text itself if there is none."""
    for kind in kinds_of(next(option for option in fields(Options) if option.name == name)):
        with suppress(KeyError, ValueError):
            if kind is bool:
                return BOOLEANS[text.lower()]
            if kind in (int, float):
                return kind(text)
    return text
