"""What the lock files pin: Python's packages and those of the page, read without a network."""

import base64
import json
import re
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PARTS = ("base", "client", "service")
"""What `requirements/runtime.in` consists of: the dependencies of a package, and of its extras."""
PYTHON = ("runtime", "build", "dev", "bench", "web", "windows", "dist", "site")
NPM = tuple(sorted(path.relative_to(ROOT) for path in (ROOT / "web").glob("package-lock.json")))

_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+?)(?:\s*;\s*([^\\]*?))?\s*\\?$")
_HASH = re.compile(r"^\s+--hash=sha256:([0-9a-f]{64})\s*\\?$")
_VIA = re.compile(r"^\s+#\s+(?:via\s+)?(.*)$")
# How packages name their licences that do not use the identifiers of SPDX.
_NAMES = {
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


@dataclass
class Pin:
    """One package of one version, and what may be installed as that."""

    name: str
    version: str
    sha256: list[str] = field(default_factory=list)
    wanted_by: list[str] = field(default_factory=list)
    marker: str = ""
    """The systems that it is installed on, as pip reads it; empty: all."""


def python_pins(name: str) -> list[Pin]:
    """Reads `requirements/{name}.txt`; raises ValueError at a line that pins nothing."""
    pins: list[Pin] = []
    for number, line in enumerate((ROOT / "requirements" / f"{name}.txt").read_text().splitlines(), 1):
        if match := _PIN.match(line):
            pins.append(Pin(match[1], match[2], marker=match[3] or ""))
        elif match := _HASH.match(line):
            pins[-1].sha256.append(match[1])
        elif match := _VIA.match(line):
            pins[-1].wanted_by += [match[1]] if match[1] else []
        elif line.strip() and not line.startswith("#"):
            raise ValueError(f"requirements/{name}.txt, line {number}: {line}")
    return pins


def direct(name: str) -> set[str]:
    """Returns the packages that `requirements/{name}.in`, and the files that make it up, ask for."""
    lines = (ROOT / "requirements" / f"{name}.in").read_text().splitlines()
    own = {_normal(re.split(r"[\[><=;\s]", line)[0]) for line in lines if line and not line.startswith(("-", "#"))}
    return own.union(*(direct(part) for part in PARTS if f"-r {part}.in" in lines))


def npm_packages(path: Path) -> dict[str, dict[str, Any]]:
    """Reads a package-lock.json: the packages by their names."""
    found = json.loads((ROOT / path).read_text())["packages"]
    return {key.rpartition("node_modules/")[2]: value for key, value in found.items() if key}


def sha512_of(integrity: str) -> str:
    """Turns npm's `sha512-…` into hexadecimal digits."""
    kind, _, encoded = integrity.partition("-")
    if kind != "sha512":
        raise ValueError(integrity)
    return base64.b64decode(encoded).hex()


def licence_of(name: str) -> str | None:
    """Returns the licence of an installed package, as SPDX names it; None where it says nothing."""
    try:
        facts = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    expression, text = facts.json.get("license_expression"), str(facts.json.get("license", "")).strip()
    if expression:
        return str(expression)
    listed = [item.rpartition(":: ")[2] for item in facts.get_all("Classifier") or [] if item.startswith("License")]
    named = [_NAMES.get(item, item) for item in listed if item != "OSI Approved"]
    if text and len(text) < 60:
        return _NAMES.get(text, text)
    return " OR ".join(named) or None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
