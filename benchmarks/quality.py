"""How good MP3s of equal settings sound, next to ffmpeg's: what a listener would notice, and the share of mid/side.

Zimtohrli (github.com/google/zimtohrli) models the ear and returns a distance, 0 for no difference. It compares the left
and the right channel of the source with those of the decoded MP3.
"""

import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from zimtohrli import Pyohrli

from benchmarks.contenders import Command
from benchmarks.excerpts import excerpts
from video2mp3.engine.mp3.frames import parse_header

_MID_SIDE = 0x20
_EQUAL_SHARE = 0.01
"""Distances that differ by less count as equal."""
Samples: TypeAlias = npt.NDArray[np.float32]


def quality(contenders: Mapping[str, Command], most: int | None = None) -> dict[str, dict[str, list[float]]]:
    """Returns of each encoder the distance and the share of mid/side frames (0 to 1), excerpt by excerpt."""
    found: dict[str, dict[str, list[float]]] = {who: {"distance": [], "mid_side": []} for who in contenders}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "out.mp3")
        for source in excerpts()[:most]:
            original = _decoded(source)
            for who, command in contenders.items():
                subprocess.run(command(source, target), stdout=subprocess.DEVNULL, check=True)
                found[who]["distance"].append(_distance(original, _decoded(target)))
                found[who]["mid_side"].append(_mid_side_share(target.read_bytes()))
    return found


def lines(found: Mapping[str, Mapping[str, Sequence[float]]]) -> Iterator[str]:
    """Yields a table in Markdown: the first encoder is ours, and the others are compared with it."""
    first = next(iter(found))
    ours = found[first]["distance"]
    yield f"| excerpts: {len(ours)} | distance | theirs by ours | ours is better / equal / worse | mid/side |"
    yield "|---|--:|--:|--:|--:|"
    for who, measured in found.items():
        distances, mid_side = measured["distance"], statistics.median(measured["mid_side"])
        ratio, counts = "", ""
        if who != first:
            ratios = [theirs / mine for theirs, mine in zip(distances, ours, strict=True)]
            better = sum(each > 1 + _EQUAL_SHARE for each in ratios)
            worse = sum(each < 1 - _EQUAL_SHARE for each in ratios)
            ratio, counts = f"{statistics.median(ratios):.2f}", f"{better} / {len(ratios) - better - worse} / {worse}"
        yield f"| {who} | {statistics.median(distances):.5f} | {ratio} | {counts} | {mid_side:.0%} |"


def _decoded(path: Path) -> Samples:
    """Returns the samples at 48 kHz, the left and the right channel in one row each."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-ac", "2", "-ar", "48000", "-f", "f32le", "-"]
    pcm = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    samples: Samples = np.frombuffer(pcm, dtype="<f4").reshape(-1, 2).T
    return samples


def _distance(original: Samples, decoded: Samples) -> float:
    samples = min(original.shape[1], decoded.shape[1])
    channels = zip(original[:, :samples], decoded[:, :samples], strict=True)
    return statistics.fmean(float(Pyohrli().distance(one, other)) for one, other in channels)


def _mid_side_share(mp3: bytes) -> float:
    """Returns the share of frames that hold sum and difference (ISO/IEC 11172-3 §2.4.2.3)."""
    place, found = _first_frame(mp3), list[int]()
    while (header := parse_header(mp3, place)) is not None:
        found.append(mp3[place + 3] & _MID_SIDE)
        place += header.size_bytes
    return sum(map(bool, found)) / len(found)


def _first_frame(mp3: bytes) -> int:
    if mp3[:3] != b"ID3":
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(mp3[6:10], (21, 14, 7, 0), strict=True))


def report(found: Mapping[str, Any]) -> Iterator[str]:
    """Yields the section of the report."""
    yield "How far MP3s of equal settings are from their sources by Zimtohrli, 0 for no difference: medians of the"
    yield "excerpts that `benchmarks/excerpts.py` names. Mid/side is the share of frames that hold sum and difference."
    for title, measured in found.items():
        yield from ("", f"### {title}", "", *lines(measured))
