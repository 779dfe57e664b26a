"""The plots of docs/scaling.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

matplotlib.rcParams["svg.hashsalt"] = "video2mp3"  # the same numbers give the same bytes
matplotlib.rcParams["svg.fonttype"] = "none"


def plot_waits(path: Path, curves: Mapping[int, Sequence[tuple[float, float]]], target_s: float) -> None:
    """The 99th percentile of the wait by how busy the slots are, for some numbers of machines."""
    figure, axes = _axes("Wait at a steady rate", "share of the slots that are busy", "p99, seconds")
    for machines, points in curves.items():
        label = "one machine" if machines == 1 else f"{machines} machines"
        axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=label)
    axes.axhline(target_s, color="grey", linestyle="--", linewidth=1)
    axes.set_yscale("log")
    _save(path, figure, axes)


def plot_shares(path: Path, curves: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """How much of what one of its kind does each part has to do, by videos a day."""
    figure, axes = _axes("What breaks when", "videos a day", "share of what one of its kind does")
    for part, points in curves.items():
        axes.plot(*zip(*points, strict=True), label=part)
    axes.axhline(1, color="grey", linestyle="--", linewidth=1)
    axes.set(xscale="log", yscale="log", ylim=(1e-4, None))
    _save(path, figure, axes)


def _axes(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    return figure, axes


def _save(path: Path, figure: Figure, axes: Axes) -> None:
    axes.legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None})
    # Its lines end in spaces, which only make work for whoever looks at a change.
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
