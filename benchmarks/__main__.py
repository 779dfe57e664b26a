"""All comparisons, each interleaved, in one run: `make bench`; `make bench ARGS=--quick` tries them out."""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from benchmarks import encoders, inputs, quality, reading, report
from benchmarks.chunks import chunk_lengths
from benchmarks.contenders import Command, debian_ffmpeg, moviepy, ours, ours_only, pyav, wheel_ffmpeg
from benchmarks.curves import memory, threads
from benchmarks.inputs import ensure
from benchmarks.latency import latency, lines
from benchmarks.measure import compare, share_of_limit

CBR, VBR, VOICE = ("--bitrate", "192"), ("--vbr", "2"), ("--bitrate", "64", "--channels", "1")
FFMPEG = {CBR: ("-b:a", "192k"), VBR: ("-q:a", "2"), VOICE: ("-ac", "1", "-b:a", "64k")}
LATENCY_ROUNDS = 31

Part = tuple[str, str, Callable[[], Any]]
"""Kind, title, and what measures it."""


def main() -> None:
    """Measures, and writes the report after each part."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small inputs and few rounds; the report is thrown away")
    parser.add_argument("--rounds", type=int, default=5, metavar="NUMBER", help="of each main comparison (5)")
    parser.add_argument("--only", metavar="TEXT", help="measure parts with this in their title; keep all others")
    arguments = parser.parse_args()
    folder = inputs.FOLDER / "quick-report" if arguments.quick else report.FOLDER
    numbers = report.load(folder) if arguments.only else {}
    numbers["machine"] = {"is": report.machine()}
    parts = _parts(arguments.quick, 1 if arguments.quick else arguments.rounds)
    for kind, title, measure in parts:
        if not arguments.only or arguments.only in title:
            numbers.setdefault(kind, {})[title] = measure()
            report.write(folder, _in_order(numbers, parts))
    print(f"\n{folder / 'README.md'}")


def _in_order(numbers: report.Numbers, parts: list[Part]) -> report.Numbers:
    """Returns the numbers as one run of all parts would have given them; what is no part any more is left out."""
    ordered: report.Numbers = {"machine": numbers["machine"]}
    for kind, title, _ in parts:
        if title in numbers.get(kind, {}):
            ordered.setdefault(kind, {})[title] = numbers[kind][title]
    return ordered


def _parts(quick: bool, rounds: int) -> list[Part]:
    length, minutes = ("3min", "3 min") if quick else ("60min", "60 min")
    talk, music, noise = (f"{sound}-{length}.mp4" for sound in ("talk", "music", "noise"))
    short, few_minutes = ("3min", "3 min") if quick else ("10min", "10 min")
    fewer = max(1, rounds - 2)
    nothing = {f"video2mp3 {flag}": ours_only(flag) for flag in ("--help", "--version")}
    slow = {"PyAV": pyav(), "moviepy": moviepy()}
    main_ones = [
        (talk, "Talk", CBR, "CBR 192k"),
        (music, "Music", CBR, "CBR 192k"),
        (noise, "Noise", CBR, "CBR 192k"),
        (music, "Music", VBR, "V2"),
        (talk, "Talk", VOICE, "mono 64k"),
    ]
    parts: list[Part] = []
    for name, sound, mode, mode_name in main_ones:
        title = f"{sound}, {minutes}, {mode_name}"
        parts.append(_comparison(title, name, _against(mode), rounds))
        parts.append(_limit(title, name, mode, rounds))
    return [
        *parts,
        _limit(f"Opus in WebM, {few_minutes}, CBR 192k", f"opus-{short}.webm", CBR, fewer),
        _comparison(f"All peers: talk, {few_minutes}, CBR 192k", f"talk-{short}.mp4", _against(CBR) | slow, fewer),
        _comparison(f"Opus in WebM, {few_minutes}, CBR 192k", f"opus-{short}.webm", _against(CBR), fewer),
        _comparison(f"PCM in MOV, {few_minutes}, CBR 192k", f"pcm-{short}.mov", _against(CBR), fewer),
        _comparison("A video of 3 min, CBR 192k", "talk-3min.mp4", _against(CBR), rounds),
        _comparison("A clip of 10 s, CBR 192k", "talk-10s.mp4", _against(CBR), rounds),
        _comparison("A clip of 3 s, CBR 192k", "talk-3s.mp4", _against(CBR) | nothing, 11),
        _comparison("1.5 GB of video of 3 min, CBR 192k", "large-3min.mov", _against(CBR), fewer),
        *(_encoders(sound, 1 if quick else rounds) for sound in ("talk", "music", "noise")),
        *(_quality(mode, mode_name, 3 if quick else None) for mode, mode_name in ((CBR, "CBR 192k"), (VBR, "V2"))),
        *(_reading(suffix) for suffix in ("mp4", "mkv")),
        ("latency", "A clip of 10 s in the library", lambda: _latency(4 if quick else LATENCY_ROUNDS)),
        ("curves", "threads", lambda: threads(f"talk-{short}.mp4", fewer)),
        ("curves", "chunks", lambda: chunk_lengths(ensure("talk.wav"))),
        ("curves", "memory", lambda: memory(("10s", "3min") if quick else ("10min", "60min", "10h"))),
    ]


def _against(mode: tuple[str, ...]) -> dict[str, Command]:
    theirs = FFMPEG[mode]
    return {
        "video2mp3": ours(*mode),
        "ffmpeg (Debian)": debian_ffmpeg(*theirs),
        "ffmpeg (imageio wheel)": wheel_ffmpeg(*theirs),
    }


def _comparison(title: str, name: str, contenders: dict[str, Command], rounds: int) -> Part:
    def measure() -> dict[str, list[dict[str, float]]]:
        runs = compare(title, ensure(name), contenders, rounds).runs
        return {who: [asdict(run) for run in those] for who, those in runs.items()}

    return "comparisons", title, measure


def _limit(title: str, name: str, mode: tuple[str, ...], rounds: int) -> Part:
    return "limits", title, lambda: share_of_limit(title, ensure(name), mode, rounds)


def _encoders(sound: str, rounds: int) -> Part:
    def measure() -> dict[str, list[float]]:
        print(f"\nThe encoders alone, {sound}, CBR 192k", flush=True)
        found = encoders.measure(ensure(f"{sound}.wav"), CBR, FFMPEG[CBR], rounds)
        print(f"  {encoders.line(found)}", flush=True)
        return found

    return "encoders", sound.capitalize(), measure


def _quality(mode: tuple[str, ...], name: str, most: int | None) -> Part:
    def measure() -> dict[str, dict[str, list[float]]]:
        print(f"\nSound quality, {name}", flush=True)
        found = quality.quality(_against(mode), most)
        for line in quality.lines(found):
            print(f"  {line}", flush=True)
        return found

    return "quality", name, measure


def _reading(suffix: str) -> Part:
    name = f"interleaved-10min.{suffix}"
    return (
        "reading",
        f"Reading a video of 600 MB ({suffix.upper()})",
        lambda: reading.reading(ensure(name), _against(CBR)),
    )


def _latency(rounds: int) -> dict[str, list[float]]:
    print("\nA clip of 10 s in the library", flush=True)
    found = latency(ensure("talk-10s.mp4"), rounds)
    for line in lines(found):
        print(f"  {line}", flush=True)
    return found


if __name__ == "__main__":
    main()
