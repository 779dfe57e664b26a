"""Writes the table in `video2mp3/accounts/scripts.py` from Unicode's own, which Debian's `unicode-data` installs.

``python -m tests.accounts.scripts_table`` prints it.
"""

import re
from pathlib import Path

SOURCE = Path("/usr/share/unicode/Scripts.txt")
_LINE = re.compile(r"([0-9A-F]+)(?:\.\.([0-9A-F]+))? *; *(\w+) # (\w[\w&])")


def scripts() -> dict[int, str]:
    """Returns the script of each letter, mark and digit; for what is not in names, an empty text."""
    found: dict[int, str] = {}
    for line in SOURCE.read_text("utf-8").splitlines():
        if match := _LINE.match(line):
            is_in_names = match[4][0] in "LMN"
            for code in range(int(match[1], 16), int(match[2] or match[1], 16) + 1):
                found[code] = match[3] if is_in_names else ""
    return found


def table() -> str:
    """Returns the ranges of each script, on a line of its own; Common and Inherited go with any other."""
    found = {code: script for code, script in sorted(scripts().items()) if script}
    ranges: dict[str, list[list[int]]] = {}
    last = ""
    for code, script in found.items():
        if script != last:
            ranges.setdefault(script, []).append([code, code])
        # What lies between, and belongs to no script, is in no name.
        ranges[script][-1][1] = code
        last = script
    return "\n".join(
        f"{script} " + " ".join(f"{first:X}" if first == end else f"{first:X}-{end:X}" for first, end in spans)
        for script, spans in sorted(ranges.items())
        if script not in ("Common", "Inherited")
    )


if __name__ == "__main__":
    print(table())
