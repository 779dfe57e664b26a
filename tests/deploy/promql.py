"""What a PromQL expression asks for; whether it is valid, promtool tells."""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[a-zA-Z_:][a-zA-Z0-9_:]*|=~|!~|!=|\S')
_KEYWORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
# As in `rate(…)` and `sum by (x) (…)`.
_AFTER_FUNCTION = {"(", "by", "without"}
_GROUPINGS = {"by", "without", "on", "ignoring", "group_left", "group_right"}


@dataclass
class Asked:
    """One selector: the name of a series, and what its labels are compared with."""

    name: str
    labels: dict[str, str] = field(default_factory=dict)


def read(expression: str) -> tuple[list[Asked], set[str]]:
    """Returns the selectors of an expression, and the labels that it groups by."""
    tokens = [*_TOKEN.findall(expression), ""]
    selectors: list[Asked] = []
    grouped: set[str] = set()
    position = 0
    while position < len(tokens) - 1:
        token, following = tokens[position], tokens[position + 1]
        position += 1
        if token in _GROUPINGS:
            if following == "(":
                end = tokens.index(")", position)
                grouped |= {name for name in tokens[position + 1 : end] if name != ","}
                position = end + 1
        elif token == "{":
            end = tokens.index("}", position)
            label, compared, text = range(position, end, 4), range(position + 1, end, 4), range(position + 2, end, 4)
            assert all(tokens[at] in ("=", "!=", "=~", "!~") for at in compared), expression
            selectors[-1].labels |= {tokens[a]: tokens[b].strip('"') for a, b in zip(label, text, strict=True)}
            position = end + 1
        elif re.match(r"[a-zA-Z_:]", token) and token.lower() not in _KEYWORDS and following not in _AFTER_FUNCTION:
            selectors.append(Asked(token))
    return selectors, grouped
