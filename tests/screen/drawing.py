"""Draws recorded screens as one SVG that moves; where nothing moves, it shows the last screen."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from tests.screen.recording import COLUMNS, Frame, Row, Run

CELL_WIDTH, CELL_HEIGHT, BASELINE = 8.4, 20, 14.5
MARGIN = 18
MAX_FRAMES = 24
HOLD_S = 4.0
"""How long the last screen stays before it all begins again."""

PALETTE = {
    "default": "#d4d4d8", "black": "#3f3f46", "red": "#f87171", "green": "#4ade80", "brown": "#fbbf24",
    "blue": "#60a5fa", "magenta": "#e879a9", "cyan": "#22d3ee", "white": "#f4f4f5",
}  # fmt: skip
_BAR = {"━": (0.0, 1.0), "╸": (0.0, 0.5), "╺": (0.5, 1.0)}
"""Characters of rich's bars, drawn as lines: in many fonts they do not join. Where each begins and ends."""
_FONT = "14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
_STYLE = (
    f"text{{font:{_FONT};white-space:pre}}.b{{font-weight:bold}}"
    "g{animation-timing-function:step-end;animation-iteration-count:infinite;animation-duration:%.1fs}"
)


def draw(command: str, frames: Sequence[Frame]) -> str:
    """Returns the SVG: the command as it is typed, and below it what the terminal showed."""
    frames = _thinned(frames)
    length_s = frames[-1].at_s + HOLD_S
    lines = max(len(_without_empty_end(frame.rows)) for frame in frames) + 1
    width, height = round(COLUMNS * CELL_WIDTH + 2 * MARGIN), lines * CELL_HEIGHT + 2 * MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
            f"<title>{escape(command)}</title>",
            f"<style>{_STYLE % length_s}</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#18181b"/>',
            f'<g transform="translate({MARGIN} {MARGIN})" fill="{PALETTE["default"]}">',
            _text(Run(0, "$ ", "green", True), 0) + _text(Run(2, command, "default", True), 0),
            *_moving_rows(frames, length_s),
            "</g></svg>\n",
        ]
    )


def _thinned(frames: Sequence[Frame]) -> Sequence[Frame]:
    """Returns so many of them that the picture stays small, the first and the last among them."""
    step = max(1, -(-len(frames) // MAX_FRAMES))
    return [*frames[:-1:step], frames[-1]]


def _without_empty_end(rows: Sequence[Row]) -> Sequence[Row]:
    return rows if not rows or rows[-1] else _without_empty_end(rows[:-1])


def _moving_rows(frames: Sequence[Frame], length_s: float) -> Iterator[str]:
    """Yields each row once, with the times at which it is to be seen."""
    shown: dict[tuple[int, Row], list[int]] = {}
    for number, frame in enumerate(frames):
        for line, row in enumerate(frame.rows):
            if row:
                shown.setdefault((line + 1, row), []).append(number)
    starts = [frame.at_s for frame in frames] + [length_s]
    for name, ((line, row), numbers) in enumerate(shown.items()):
        drawn = "".join(_drawn(run, line) for run in row)
        if len(numbers) == len(frames):
            yield drawn
            continue
        steps = ["0%{opacity:0}"] if numbers[0] > 0 else []
        for _, group in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
            span = [number for _, number in group]
            steps.append(f"{100 * starts[span[0]] / length_s:.1f}%{{opacity:1}}")
            if span[-1] + 1 < len(frames):
                steps.append(f"{100 * starts[span[-1] + 1] / length_s:.1f}%{{opacity:0}}")
        hidden = "" if numbers[-1] + 1 == len(frames) else ' opacity="0"'
        yield f"<style>@keyframes r{name}{{{''.join(steps)}}}</style>"
        yield f'<g style="animation-name:r{name}"{hidden}>{drawn}</g>'


def _drawn(run: Run, line: int) -> str:
    """Returns the run's words as text, and its bars as lines."""
    parts, column = [], run.column
    for is_bar, group in groupby(run.text, key=lambda character: character in _BAR):
        part = Run(column, "".join(group), run.colour, run.bold)
        parts.append(_bar(part, line) if is_bar else _text(part, line))
        column += len(part.text)
    return "".join(parts)


def _text(run: Run, line: int) -> str:
    text = run.text.rstrip(" ")
    column = run.column + len(text) - len(text.lstrip(" "))
    text = text.lstrip(" ")
    if not text:
        return ""
    look = ' class="b"' * run.bold + f' fill="{_colour(run.colour)}"' * (run.colour != "default")
    place = f'x="{column * CELL_WIDTH:.1f}" y="{line * CELL_HEIGHT + BASELINE}"'
    return f'<text {place} textLength="{len(text) * CELL_WIDTH:.1f}"{look}>{escape(text, quote=False)}</text>'


def _bar(run: Run, line: int) -> str:
    start = (run.column + _BAR[run.text[0]][0]) * CELL_WIDTH
    end = (run.column + len(run.text) - 1 + _BAR[run.text[-1]][1]) * CELL_WIDTH
    y = line * CELL_HEIGHT + CELL_HEIGHT / 2
    return f'<path d="M{start:.1f} {y}H{end:.1f}" stroke="{_colour(run.colour)}" stroke-width="4"/>'


def _colour(name: str) -> str:
    return PALETTE.get(name.removeprefix("bright"), f"#{name}")
