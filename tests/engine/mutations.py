"""Damaged media: files of the shared corpus and of `seeds`, changed by chance. A number always gives the same bytes."""

import json
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.media import CORPUS

SEEDS = Path(__file__).with_name("seeds")
HEADER_BYTES = 2048
MAX_REPEATED_BYTES = 1024**2
SIZES = (0, 1, 7, 8, 0x7FFF, 0xFFFF, 0x00FFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
OPTIONS: tuple[Mapping[str, Any], ...] = (
    {},
    {},
    {"vbr_quality": 4},
    {"preset": "voice"},
    {"start_s": 0.5, "end_s": 3.0, "fade_in_s": 0.3, "fade_out_s": 0.3},
    {"loudness_lufs": -16.0},
    {"sample_rate_hz": 11025, "bitrate_kbps": 32},
    {"cover_at_s": 0.5},
    {"track": "all"},
    {"track": "mix", "channels": 1},
    {"split": 1.5},
    {"split": "silence", "silence_s": 0.2, "silence_db": -30.0},
    {"copy": True},
)

Change = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Mutation:
    """A changed file, and how it is to be converted."""

    number: int
    file: str
    """Which it was, in the corpus."""
    changes: tuple[str, ...]
    data: bytes = field(repr=False)
    options: Mapping[str, Any]
    in_ranges: bool
    """Served by the parent, as uploads are; else the child gets a descriptor."""

    def __str__(self) -> str:
        how = "in ranges" if self.in_ranges else "as a file"
        return (
            f"{self.number}: {self.file} {'+'.join(self.changes)}, {len(self.data)} bytes {how}, {dict(self.options)}"
        )


def mutation(number: int) -> Mutation:
    """Returns the mutation of that number."""
    chance = random.Random(number)
    file = chance.choice(corpus())
    data = read(file)
    changes = tuple(chance.choices(tuple(CHANGES), k=chance.randint(1, 3)))
    for change in changes:
        data = CHANGES[change](data, chance) if data else data
    return Mutation(number, file, changes, data, chance.choice(OPTIONS), chance.random() < 0.5)


@lru_cache(1)
def files() -> Mapping[str, Path]:
    """The files of the corpus and the seeds, by name; none where the corpus is not there."""
    index = CORPUS / "corpus.json"
    if not index.exists():
        return {}
    found = {entry["path"]: CORPUS / "corpus" / entry["path"] for entry in json.loads(index.read_text())}
    more = filter(None, os.environ.get("VIDEO2MP3_FUZZ_SEEDS", "").split(os.pathsep))
    for folder in (SEEDS, *map(Path, more)):
        found |= {f"seeds/{path.name}": path for path in sorted(folder.glob("*")) if path.suffix != ".md"}
    return found


@lru_cache(1)
def corpus() -> tuple[str, ...]:
    """The names of all files."""
    return tuple(files())


def read(file: str) -> bytes:
    """A file of the corpus, or a seed."""
    return files()[file].read_bytes()


def flipped(data: bytes, chance: random.Random, end: int | None = None) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 3, 10, 100, 1000))):
        changed[chance.randrange(min(len(data), end or len(data)))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def flipped_in_header(data: bytes, chance: random.Random) -> bytes:
    return flipped(data, chance, HEADER_BYTES)


def cut_short(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def cut_out(data: bytes, chance: random.Random) -> bytes:
    start, end = _block(data, chance)
    return data[:start] + data[end:]


def blanked(data: bytes, chance: random.Random) -> bytes:
    start, end = _block(data, chance)
    return data[:start] + chance.choice((b"\0", b"\xff", b"\x80")) * (end - start) + data[end:]


def repeated(data: bytes, chance: random.Random) -> bytes:
    start, end = _block(data, chance)
    times = min(chance.choice((2, 5, 100, 10_000)), max(2, MAX_REPEATED_BYTES // (end - start + 1)))
    return data[:start] + data[start:end] * times + data[end:]


def spliced(data: bytes, chance: random.Random) -> bytes:
    """The beginning of one file and the end of another."""
    other = read(chance.choice(corpus()))
    return data[: chance.randrange(len(data))] + other[chance.randrange(len(other)) :]


def resized(data: bytes, chance: random.Random) -> bytes:
    """Another size (or count, or rate) in a header: before or behind four letters, where MP4 and RIFF have them."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 3))):
        names = [i for i in range(4, min(len(data) - 8, 64 * 1024)) if data[i : i + 4].isalnum()]
        place = chance.choice(names) + chance.choice((-4, 4)) if names else chance.randrange(len(data))
        size = chance.choice((*SIZES, len(data), len(data) + 1, chance.randrange(2**32)))
        field_bytes = size.to_bytes(4, chance.choice(("big", "little")))
        changed[place : place + 4] = field_bytes[: len(changed) - place]
    return bytes(changed)


def _block(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data))
    return start, min(len(data), start + chance.choice((1, 4, 100, 1000, 10_000, 100_000)))


CHANGES: Mapping[str, Change] = {
    change.__name__: change
    for change in (flipped, flipped_in_header, cut_short, cut_out, blanked, repeated, spliced, resized)
}
