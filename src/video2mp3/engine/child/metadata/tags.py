"""Chooses the tags of an MP3: those of the options, and the source's descriptive ones. Runs in the child."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import PurePosixPath

from video2mp3.engine.chapters import Chapter
from video2mp3.engine.child.metadata.text_encoding import TagDecoder
from video2mp3.engine.child.timeline import LeftOut
from video2mp3.engine.mp3.id3 import MAX_TEXT_LENGTH, clean_text
from video2mp3.engine.options import ResolvedOptions

ENCODER_NAME = "video2mp3, LAME 4.0"
_MAX_CHAPTER_END_S = 2**32 // 1000 - 1
"""Largest time in milliseconds that fits into 32 bits, in seconds."""
MAX_PRIVATE_TAGS = 64
MAX_PRIVATE_LENGTH = 2000

_OPTIONS = {"title": "TIT2", "artist": "TPE1", "album": "TALB", "date": "TDRC", "genre": "TCON"}
_HARMLESS = {
    "year": "TDRC",  # some Vorbis comments; a date wins
    **_OPTIONS,
    "album_artist": "TPE2",
    "composer": "TCOM",
    "track": "TRCK",
    "disc": "TPOS",
}
"""FFmpeg's names of descriptive tags, and their ID3 frames."""
_TECHNICAL = frozenset((
    "major_brand", "minor_version", "compatible_brands", "encoder", "encoding_tool", "handler_name", "vendor_id",
    "language", "duration", "creation_tool", "bps", "number_of_frames", "number_of_bytes", "gapless_playback",
    "itunsmpb", "itunnorm", "encoder_settings", "encoded_by",
))  # fmt: skip
"""Tags of the file format, which would be wrong in an MP3."""
_GAINS = re.compile(r"(replaygain|r128|mp3gain)_")
"""What a player is to change the loudness by; FFmpeg's names (ReplayGain, Opus, mp3gain)."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d))?)?$",  # ISO 8601
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)$",  # yt-dlp
        r"(?P<year>\d{4})[-/.](?P<month>\d\d?)[-/.](?P<day>\d\d?)$",  # cameras
        r"(?P<day>\d\d?)\.(?P<month>\d\d?)\.(?P<year>\d{4})$",  # Europe
        r"(?P<day>1[3-9]|2\d|3[01])[-/](?P<month>\d\d?)[-/](?P<year>\d{4})$",  # no month has such a number
        r"(?P<month>\d\d?)[-/](?P<day>1[3-9]|2\d|3[01])[-/](?P<year>\d{4})$",
        r"((?P<day>\d\d?)\.? )?(?P<name>[A-Za-z]{3,9})\.?,? (?P<year>\d{4})$",
        r"(?P<name>[A-Za-z]{3,9})\.? (?P<day>\d\d?),? (?P<year>\d{4})$",
    )
)
_YEAR = re.compile(r"(?<!\d)(1[5-9]|20)\d\d(?=\d{4}T|\D|$)")
"""In a date with a time of day, which reveals when it was recorded, and in dates whose month is not clear."""
_COUNTED = re.compile(r"\d{1,5}(/\d{1,5})?")


@dataclass(frozen=True)
class Tags:
    """The contents of an ID3 tag."""

    texts: dict[str, str]
    """Texts by ID3 frame."""
    comment: str = ""
    others: dict[str, str] = field(default_factory=dict)
    """Private tags, by the source's names."""

    @property
    def by_name(self) -> dict[str, str]:
        """The descriptive tags by FFmpeg's names."""
        names = {frame: name for name, frame in _HARMLESS.items()}
        comment = {"comment": self.comment} if self.comment else {}
        return {names[frame]: text for frame, text in self.texts.items() if frame in names} | comment

    @property
    def title(self) -> str | None:
        """The title, if there is one."""
        return self.texts.get("TIT2")


def tags_for(options: ResolvedOptions, source: Mapping[str, str], source_name: str) -> Tags:
    """Returns the tags for an MP3.

    Args:
        options: of the conversion.
        source: the source's tags by FFmpeg's names. Untrusted.
        source_name: the file's name, used as the default title.
    """
    own = {key.lower(): text for key, text in source.items()} if options.keep_tags else {}
    texts = _harmless(own)
    if options.keep_tags:
        stem = PurePosixPath(source_name).stem
        texts.setdefault("TIT2", clean_text(TagDecoder([stem]).decoded(stem)))
    chosen = (options.title, options.artist, options.album, options.date, options.genre)
    frames = zip(_OPTIONS.values(), chosen, strict=True)
    texts |= {frame: clean_text(text) for frame, text in frames if text is not None}
    if options.track_number is not None:
        texts["TRCK"] = str(options.track_number)
    others = _private(own) if options.keep_private_tags else {}
    if options.changes_loudness:
        others = {name: text for name, text in others.items() if not _GAINS.match(name)}
    comment = others.pop("comment", "")
    if options.comment is not None:
        comment = clean_text(options.comment, MAX_PRIVATE_LENGTH)
    if not options.copy:  # a copy was made by another encoder
        texts["TSSE"] = ENCODER_NAME
    return Tags({frame: text for frame, text in texts.items() if text}, comment, others)


def tags_of_segment(tags: Tags, track_number: int, number: int, chapter_title: str | None) -> Tags:
    """Returns the tags for one of several MP3s.

    Args:
        tags: the tags that all segments share.
        track_number: the segment's track number in the album.
        number: the segment's number, from 1.
        chapter_title: the title of its chapter, if any.
    """
    texts = {**tags.texts, "TRCK": str(track_number)}
    if chapter_title or tags.title:
        suffix = f" ({number})"
        texts["TIT2"] = chapter_title or clean_text(tags.title or "", MAX_TEXT_LENGTH - len(suffix)) + suffix
    return replace(tags, texts=texts)


def chapters_for(options: ResolvedOptions, chapters: Sequence[Chapter]) -> list[tuple[int, int, str]]:
    """Returns start and end in milliseconds and title of the chapters that overlap the MP3.

    Args:
        options: of the conversion.
        chapters: the source's, or the user's.
    """
    if not options.chapters:
        return []
    start_s = options.start_s
    end_s = _MAX_CHAPTER_END_S if options.end_s is None else options.end_s
    cut = [(max(c.start_s, start_s) - start_s, min(c.end_s, end_s) - start_s, c.title or "") for c in chapters]
    whole = [(round(1000 * start), round(1000 * end), title) for start, end, title in cut if start < end]
    return [chapter for chapter in whole if chapter[1] <= 1000 * _MAX_CHAPTER_END_S]


def chapters_within(
    chapters: Sequence[tuple[int, int, str]], sample_rate_hz: int, samples: int, left_out: LeftOut
) -> list[tuple[int, int, str]]:
    """Returns the chapters where their sound is in the MP3; they end with it.

    Args:
        chapters: from `chapters_for`.
        sample_rate_hz: of the MP3.
        samples: samples per channel of the MP3.
        left_out: the silence that the MP3 lacks.
    """

    def place_ms(at_ms: int) -> int:
        position = min(left_out.position(round(at_ms * sample_rate_hz / 1000)), samples)
        return round(position * 1000 / sample_rate_hz)

    placed = [(place_ms(start_ms), place_ms(end_ms), title) for start_ms, end_ms, title in chapters]
    return [chapter for chapter in placed if chapter[0] < chapter[1]]


def _harmless(own: Mapping[str, str]) -> dict[str, str]:
    texts = {frame: clean_text(own[name]) for name, frame in _HARMLESS.items() if name in own}
    texts["TDRC"] = _date_in(texts.pop("TDRC", ""))
    for frame in ("TRCK", "TPOS"):
        if not _COUNTED.fullmatch(texts.get(frame, "")):
            texts.pop(frame, None)
    return {frame: text for frame, text in texts.items() if text}


def _date_in(text: str) -> str:
    """Returns a date as ID3v2.4 writes it, as exact as it is known; nothing if there is none."""
    found = next(filter(None, (form.match(text) for form in _DATES)), None)
    if found is None:
        return year[0] if (year := _YEAR.search(text)) else ""
    parts = found.groupdict()
    month, day = int(parts.get("month") or 0), int(parts.get("day") or 0)
    if name := parts.get("name"):
        prefix = name.lower()[:3]
        month = _MONTHS.index(prefix) + 1 if prefix in _MONTHS else 0
    try:
        date(int(found["year"]), month or 1, day or 1)
    except ValueError:
        return found["year"]
    return "-".join([found["year"], *(f"{number:02}" for number in (month, day if month else 0) if number)])


def _private(own: Mapping[str, str]) -> dict[str, str]:
    kept = _harmless(own)
    others = {
        clean_text(name, 100): clean_text(text, MAX_PRIVATE_LENGTH)
        for name, text in own.items()
        if name not in _TECHNICAL and clean_text(text) != kept.get(_HARMLESS.get(name, ""))
    }
    return {name: text for name, text in list(others.items())[:MAX_PRIVATE_TAGS] if name and text}
