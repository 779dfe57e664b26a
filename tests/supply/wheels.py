"""The wheels behind the hashes of the lock files, for each system and Python: requirements/wheels.txt.

`python -m tests.supply.wheels` asks the package index and writes the table (`make lock` and `make wheels` do that). The
test of it needs no network. The table has the lines of sha256sum: a hash and the name of its file.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

from tests.supply.locks import ROOT, Pin, python_pins

TABLE = ROOT / "requirements" / "wheels.txt"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
LOCKS = {
    "Linux": ("runtime", "build", "dev", "web"),
    "Darwin": ("runtime", "build", "web"),
    "Windows": ("runtime", "build", "windows"),
}
"""The lock files that are installed on a system: on Linux by `make test`, on macOS by `make run`, on Windows by CI.

bench.txt, dist.txt and kubectl.txt are for one machine of the project's own.
"""
_SYS_PLATFORM = {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}
# The oldest systems that are supported: glibc 2.28 (Debian 10, RHEL 8, Ubuntu 18.10) and macOS 14.
_GLIBC_MINOR = 28
_MACOS = (14, 0)

NO_WHEEL = {("Darwin", "x86_64"): frozenset({"argon2-cffi-bindings", "cryptography"})}
"""Packages that pip builds from their source, with a compiler: these have no wheels for Macs with Intel processors.

Only the extra [service] needs them.
"""


@dataclass(frozen=True)
class Target:
    """A system that the package is installed on."""

    system: str
    machine: str
    python: str

    def __str__(self) -> str:
        return f"{self.system}-{self.machine}-{self.python}"

    @property
    def platforms(self) -> list[str]:
        """The platforms whose wheels run here, newest first."""
        if self.system == "Darwin":
            return list(mac_platforms(_MACOS, self.machine))
        if self.system == "Windows":
            return ["win_amd64"]
        numbered = [f"manylinux_2_{minor}_{self.machine}" for minor in range(_GLIBC_MINOR, 4, -1)]
        former = ["manylinux2014"] if self.machine == "aarch64" else ["manylinux2014", "manylinux2010", "manylinux1"]
        return [*numbered, *(f"{name}_{self.machine}" for name in former)]

    @property
    def tags(self) -> frozenset[Tag]:
        """What the names of wheels say that run here (PEP 425)."""
        major, minor = map(int, self.python.split("."))
        name = f"cp{major}{minor}"
        binary = cpython_tags((major, minor), abis=[name], platforms=self.platforms)
        return frozenset([*binary, *compatible_tags((major, minor), interpreter=name, platforms=self.platforms)])

    @property
    def environment(self) -> dict[str, str]:
        """The variables of markers (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "os_name": "nt" if self.system == "Windows" else "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_system": self.system,
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": _SYS_PLATFORM[self.system],
        }

    def pip_arguments(self) -> list[str]:
        """Makes pip select for this system, wherever it runs."""
        selection = ["--only-binary=:all:", "--implementation=cp", f"--python-version={self.python}"]
        return [*selection, *(f"--platform={platform}" for platform in self.platforms)]

    @property
    def no_wheel(self) -> frozenset[str]:
        """The packages that are built from their source here."""
        return NO_WHEEL.get((self.system, self.machine), frozenset())

    def pins(self) -> Iterator[Pin]:
        """Yields what the lock files install here."""
        found = {pin.name: pin for lock in LOCKS[self.system] for pin in python_pins(lock)}
        yield from (pin for pin in found.values() if not pin.marker or Marker(pin.marker).evaluate(self.environment))


TARGETS = tuple(
    Target(system, machine, python)
    for system, machines in {
        "Linux": ("x86_64", "aarch64"),
        "Darwin": ("arm64", "x86_64"),
        "Windows": ("AMD64",),
    }.items()
    for machine in machines
    for python in PYTHONS
)


def wheels() -> dict[str, str]:
    """Reads the table: the names of files by their hash."""
    return dict(line.split() for line in TABLE.read_text().splitlines())


def _selected(target: Target) -> dict[str, str]:
    """Asks the index for what pip would install; raises CalledProcessError where it has no wheel."""
    lines = [
        f"{pin.name}=={pin.version} {' '.join(f'--hash=sha256:{digest}' for digest in pin.sha256)}\n"
        for pin in target.pins()
        if pin.name not in target.no_wheel
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "requirements.txt").write_text("".join(lines))
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--dry-run"]
        command += ["--no-deps", "--ignore-installed", "--require-hashes", "--target", str(folder / "unused")]
        command += [*target.pip_arguments(), "--report", str(folder / "report.json")]
        subprocess.run([*command, "--requirement", str(folder / "requirements.txt")], check=True)
        report = json.loads((folder / "report.json").read_text())
    files = [item["download_info"] for item in report["install"]]
    return {file["archive_info"]["hashes"]["sha256"]: file["url"].rpartition("/")[2] for file in files}


if __name__ == "__main__":
    found: dict[str, str] = {}
    with ThreadPoolExecutor(4) as threads:  # they wait for the index
        for each, files in zip(TARGETS, threads.map(_selected, TARGETS), strict=True):
            print(each, len(files), flush=True)
            found |= files
    TABLE.write_text("".join(f"{digest}  {name}\n" for digest, name in sorted(found.items(), key=lambda item: item[1])))
