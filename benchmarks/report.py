"""Writes benchmarks/report/ from what was measured: numbers.json, a page of Markdown, and its plots.

The page and the plots follow from numbers.json alone, so nothing that was not measured is told.
"""

import json
import os
import platform
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from benchmarks import encoders, latency, quality, reading
from benchmarks.measure import Comparison, Run, spread

matplotlib.rcParams["svg.hashsalt"] = "video2mp3"  # the same numbers give the same bytes
matplotlib.rcParams["svg.fonttype"] = "none"
FOLDER = Path(__file__).parent / "report"
Numbers = dict[str, dict[str, Any]]
"""Kind of a part (comparisons, limits, curves, latency) → its title → what was measured."""


def load(folder: Path) -> Numbers:
    """Returns what was measured before; nothing where there is nothing."""
    path = folder / "numbers.json"
    return json.loads(path.read_text()) if path.exists() else {}


def write(folder: Path, numbers: Numbers) -> None:
    """Writes all of the report, and takes away what an earlier one had beside that."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    for name, curve in numbers.get("curves", {}).items():
        _plot(folder / f"{name}.svg", curve)
    (folder / "numbers.json").write_text(json.dumps(_rounded(numbers), indent=1) + "\n")
    (folder / "README.md").write_text("\n".join(_page(numbers)) + "\n")


def machine() -> str:
    """Returns what it was measured on."""
    processors = len(os.sched_getaffinity(0))
    return f"{processors} processors ({platform.machine()}), Python {platform.python_version()}, {platform.system()}"


def _page(numbers: Numbers) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield f"Measured with `make bench` on {numbers['machine']['is']}."
    yield "Times are medians; ratios are medians too, with the smallest and the largest: the other's time by ours in"
    yield "the same turn. All are commands, measured from their start to their end. Memory is the most that all"
    yield "processes of a command had at once: PSS divides shared pages by their users, RSS counts them in each."
    for title, runs in numbers.get("comparisons", {}).items():
        yield from ("", f"## {title}", "")
        yield from _comparison(Comparison(title, {name: [_run(run) for run in those] for name, those in runs.items()}))
    if limits := numbers.get("limits"):
        yield from ("", "## The limit", "", *_limits(limits))
    if alone := numbers.get("encoders"):
        yield from ("", "## The encoders alone", "", *encoders.report(alone))
    if qualities := numbers.get("quality"):
        yield from ("", "## Sound quality", "", *quality.report(qualities))
    for title, found in numbers.get("reading", {}).items():
        yield from ("", f"## {title}", "", *reading.lines(found))
    for title, found in numbers.get("latency", {}).items():
        yield from ("", f"## {title}", "")
        yield from (f"- {line}" for line in latency.lines(found))
    for name, curve in numbers.get("curves", {}).items():
        yield from ("", f"## {curve['title']}", "", f"![{curve['title']}]({name}.svg)")
        yield from _table(curve)


def _run(values: dict[str, Any]) -> Run:
    return Run(**{**values, "pss_bytes": tuple(values.get("pss_bytes", ()))})


def _comparison(comparison: Comparison) -> Iterator[str]:
    rounds = len(comparison.runs[comparison.first])
    yield f"| turns: {rounds} | time | ratio to ours | peak memory |"
    yield "|---|--:|--:|--:|"
    for name in comparison.runs:
        ratio = "" if name == comparison.first else spread(comparison.ratios(name))
        yield f"| {name} | {comparison.wall_s(name):.2f} s | {ratio} | {comparison.memory(name)} |"


def _limits(limits: dict[str, Any]) -> Iterator[str]:
    yield "What the encoders alone take on PCM in memory, each its part at the same time, and decoding's CPU time by"
    yield "the number of threads: less than that nobody can take with these libraries. Measured in turns with ours."
    yield ""
    yield "| | encoders | decoding | limit | ours | share of the limit reached | encoders that one decoder can feed |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for title, found in limits.items():
        middle = {name: statistics.median(values) for name, values in found.items()}
        shares = [bound / ours for bound, ours in zip(found["limit_s"], found["ours_s"], strict=True)]
        times = " | ".join(f"{middle[name]:.2f} s" for name in ("encode_wall_s", "decode_cpu_s", "limit_s", "ours_s"))
        yield f"| {title} | {times} | {spread(shares)} | {middle['encode_cpu_s'] / middle['decode_cpu_s']:.1f} |"


def _table(curve: dict[str, Any]) -> Iterator[str]:
    yield from ("", f"| {curve['x']} | " + " | ".join(f"{name}, {curve['y']}" for name in curve["series"]) + " |")
    yield "|--:|" + "--:|" * len(curve["series"])
    for place, x in enumerate(curve["at"]):
        yield f"| {x} | " + " | ".join(f"{values[place]:.1f}" for values in curve["series"].values()) + " |"


def _plot(path: Path, curve: dict[str, Any]) -> None:
    figure = Figure(figsize=(5.5, 3.2), layout="constrained")
    axes = figure.subplots()
    for name, values in curve["series"].items():
        axes.plot(curve["at"], values, marker="o", markersize=4, label=name)
    axes.set(title=curve["title"], xlabel=curve["x"], ylabel=curve["y"], ylim=(0, None))
    axes.set_xscale("log" if max(curve["at"]) > 20 * min(curve["at"]) else "linear")
    axes.set_xticks(curve["at"], [str(x) for x in curve["at"]])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})


def _rounded(value: Any) -> Any:
    """Returns the same with times to the microsecond, and distances as exactly."""
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return round(value, 6) if isinstance(value, float) else value
