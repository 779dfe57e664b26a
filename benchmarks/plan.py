"""The tables of docs/scaling.md, in Markdown, from plain numbers."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.loads import MOST_OWN

_COLUMNS = (
    "videos a day",
    "peak, jobs/s",
    "worker machines",
    "can, jobs/h",
    "busy at the peak",
    "wait p50",
    "wait p99",
    "messages/s",
    "statements/s",
    "stored",
    "network in",
    "network out",
    "first to break",
)


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yields the lines; the first row is that of the one machine."""
    yield "| " + " | ".join(_COLUMNS) + " |"
    yield "|" + "--:|" * (len(_COLUMNS) - 1) + "---|"
    for number, row in enumerate(rows):
        part = row["first_to_break"]
        cells = (
            f"{row['videos_per_day']:,.0f}" + (" (the most for one machine)" if number == 0 else ""),
            _figures(row["peak_per_s"]),
            f"{row['machines']:,}",
            _figures(row["jobs_per_hour"]),
            f"{row['busy']:.0%}",
            _seconds(row["wait_p50_s"]),
            _seconds(row["wait_p99_s"]),
            _figures(row["messages_per_s"]),
            _figures(row["statements_per_s"]),
            _amount(row["stored_bytes"], "B"),
            _amount(8 * row["in_bytes_per_s"], "bit/s"),
            _amount(8 * row["out_bytes_per_s"], "bit/s"),
            f"{part}, {_figures(row['shares'][part])} of one",
        )
        yield "| " + " | ".join(cells) + " |"


def check_lines(checks: Sequence[Mapping[str, Any]], own_share: float) -> Iterator[str]:
    """Yields a sentence for each comparison with something measured, and one where other work disturbed them."""
    for check in checks:
        measured, predicted = check["measured"], check["predicted"]
        yield f"- {check['what']}: {measured:.0f} measured, {predicted:.0f} predicted ({predicted / measured:.2f})."
    if own_share < MOST_OWN:
        yield (
            f"- Other work had {1 - own_share:.0%} of the processors meanwhile, which makes them slower, too: only the "
            "first line decides, and this page is on the cautious side. `make capacity` on an idle machine mends that."
        )


def shares_table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yields a table of how much of what one of its kind does each part has to do."""
    parts = list(dict.fromkeys(part for row in rows for part in row["shares"]))
    yield "| part | " + " | ".join(f"{row['videos_per_day']:,.0f} a day" for row in rows) + " |"
    yield "|---|" + "--:|" * len(rows)
    for part in parts:
        cells = (_figures(row["shares"][part]) if part in row["shares"] else "" for row in rows)
        yield f"| {part} | " + " | ".join(cells) + " |"


def measured_lines(measured: Mapping[str, float]) -> Iterator[str]:
    """Yields what was measured, one thing in a line."""
    per_audio_ms, fixed_ms = 1000 * measured["per_audio_s"], 1000 * measured["fixed_s"]
    yield "| measured | |"
    yield "|---|--:|"
    yield f"| a slot is busy, for each second of audio (CBR 192k) | {per_audio_ms:.2f} ms |"
    yield f"| and for each job beside that | {fixed_ms:.0f} ms |"
    yield f"| from a submit to its claim, with a free slot | {1000 * measured['start_s']:.0f} ms |"
    yield f"| statements for a job, from its upload to its email | {measured['statements_per_job']:.0f} |"
    yield f"| statements for each further 8 MiB of its upload | {measured['statements_per_chunk']:.0f} |"
    yield f"| statements for each look at its state | {measured['statements_per_look']:.0f} |"
    yield f"| statements for each second of a busy slot (heartbeats) | {measured['statements_per_busy_s']:.1f} |"
    yield f"| statements a second of a process without work | {measured['statements_per_process_s']:.1f} |"
    yield f"| messages for a job | {measured['messages_per_job']:.1f} |"
    yield f"| a relay's look that finds nothing | {1000 * measured['relay_fixed_s']:.1f} ms |"
    yield f"| and for each thousand jobs announced | {1e6 * measured['relay_per_row_s']:.2f} ms |"
    yield f"| of a video's bytes, read by a worker | {measured['read_share']:.0%} |"
    yield f"| reads of a worker for each MiB of video | {2**20 * measured['reads_per_byte']:.1f} |"
    yield f"| an upload to one api process | {_amount(measured['upload_bytes_per_s'], 'B/s')} |"


def with_numbers(text: str, numbers: Mapping[str, Any]) -> str:
    """Returns the document with its tables as the numbers have them."""
    parts = {
        "measured": measured_lines(numbers["measured"]),
        "table": table(numbers["rows"]),
        "checks": check_lines(numbers["checks"], numbers["own_share"]),
        "shares": shares_table(numbers["rows"]),
    }
    for name, lines in parts.items():
        mark = f"<!-- {name}: written by make capacity -->"
        block = "\n".join([mark, "", *lines, "", "<!-- end -->"])
        text = re.sub(f"{mark}.*?<!-- end -->", lambda _, block=block: block, text, flags=re.DOTALL)  # type: ignore[misc]
    return text


def _figures(value: float) -> str:
    """Two figures that count, or all before the point."""
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 1 else f"{value:.1f}"


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= 10 else f"{value:.2g} s"


def _amount(value: float, unit: str) -> str:
    """In the decimal prefix that leaves one to three digits before the point."""
    prefixes = ("", "k", "M", "G", "T", "P")
    power = min(len(prefixes) - 1, max(0, int(math.log10(value) / 3)))
    return f"{value / 1000**power:.3g} {prefixes[power]}{unit}"
