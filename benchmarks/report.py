"""Writes what was measured to benchmarks/report/: a page of Markdown, its plots, and all numbers as JSON."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import matplotlib

from benchmarks.measure import Comparison

matplotlib.use("svg")
from matplotlib import pyplot

FOLDER = Path(__file__).parent / "report"


def write(comparisons: Sequence[Comparison], limit: Mapping[str, float] | None, notes: Sequence[str]) -> Path:
    """Writes the page, and returns its path."""
    FOLDER.mkdir(exist_ok=True)
    lines = [
        "# Benchmarks",
        "",
        _machine(),
        "",
        "Times are medians; a ratio is the other's time by ours in the same turn.",
    ]
    lines += [f"{note}" for note in notes]
    for comparison in comparisons:
        lines += [
            "",
            f"## {comparison.title}",
            "",
            "| who | time | ratio to ours, median (spread) | peak memory |",
            "|---|--:|--:|--:|",
        ]
        lines += [_row(comparison, name) for name in comparison.runs]
    if limit:
        lines += ["", "## The limit", "", *_limit_lines(limit)]
    plots = [plot for plot in ("threads.svg", "segments.svg", "memory.svg") if (FOLDER / plot).exists()]
    lines += [line for plot in plots for line in ("", f"![{plot.removesuffix('.svg')}]({plot})")]
    path = FOLDER / "README.md"
    path.write_text("\n".join(lines) + "\n")
    runs = {c.title: {name: [asdict(run) for run in runs] for name, runs in c.runs.items()} for c in comparisons}
    (FOLDER / "numbers.json").write_text(json.dumps({"limit": limit, "runs": runs}, indent=1) + "\n")
    return path


def plot(name: str, title: str, x: tuple[str, Sequence[float]], y: str, series: Mapping[str, Sequence[float]]) -> None:
    """Draws lines into a small SVG."""
    FOLDER.mkdir(exist_ok=True)
    figure, axes = pyplot.subplots(figsize=(5.5, 3.2), layout="constrained")
    for label, values in series.items():
        axes.plot(x[1], values, marker="o", markersize=4, label=label)
    axes.set(title=title, xlabel=x[0], ylabel=y, ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)


def _machine() -> str:
    processors = len(os.sched_getaffinity(0))
    return f"{processors} processors ({platform.machine()}), Python {platform.python_version()}, {platform.system()}."


def _row(comparison: Comparison, name: str) -> str:
    ratios = comparison.ratios(name)
    spread = (
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if name != comparison.first else ""
    )
    return f"| {name} | {comparison.wall_s(name):.2f} s | {spread} | {comparison.peak_rss_bytes(name) / 1e6:.0f} MB |"


def _limit_lines(limit: Mapping[str, float]) -> list[str]:
    return [
        f"Two encoders alone on PCM in memory: {limit['encode_wall_s']:.2f} s. "
        f"Demuxing and decoding: {limit['decode_cpu_s']:.2f} s of CPU. "
        f"Limit: {limit['limit_s']:.2f} s; ours reached {100 * limit['share']:.1f} % of it."
    ]
