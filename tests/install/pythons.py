"""Runs the core tests under the Pythons of other Debian releases, as root.

`python -m tests.install.pythons RELEASES ARGUMENTS`: the names of releases are one argument, with spaces between them,
and an empty one means all. The other arguments are for pytest.
"""

import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.install.systems import USER, debian, fetch_wheels, python_of, running
from tests.supply.locks import ROOT

RELEASES = ("trixie", "sid")
# Tests that need a server are skipped: these systems have none.
TESTS = ("tests/engine", "tests/cli", "tests/jobs", "tests/database", "tests/api")
_PACKAGES = "curl,ffmpeg,iproute2,mpg123,procps,python3,python3-venv"
_INSTALL = """
python3 -m venv /venv
cd requirements
/venv/bin/pip --quiet install --require-hashes -r build.txt -r runtime.txt -r dev.txt
cd ..
/venv/bin/pip --quiet install --no-deps --no-build-isolation --editable .
"""


def passes(release: str, arguments: list[str]) -> bool:
    """Runs the tests, prints what pytest prints, and returns whether all passed."""
    folder = debian(release, _PACKAGES, f"{release}-tests")
    with tempfile.TemporaryDirectory() as name:
        shared = Path(name)
        shared.chmod(0o755)
        fetch_wheels(python_of(folder), shared, "build", "runtime", "dev")
        with running(folder, shared, ROOT) as system:
            system.run(f"cd /repository; {_INSTALL}", user="root")
            print(f"Debian {release}, Python {system.python}", flush=True)
            started = time.monotonic()
            pytest = shlex.join(["/venv/bin/pytest", "-q", "-p", "no:cacheprovider", *arguments])
            status = subprocess.run(system.command(f"cd /repository; {pytest}", USER), check=False).returncode
            seconds = round(time.monotonic() - started)
            print(f"Debian {release} {'failed' if status else 'passed'} after {seconds} s", flush=True)
            return status == 0


def run(releases: Iterable[str], arguments: list[str]) -> int:
    """Runs the tests of each release, also after one that fails; returns the exit status."""
    named_tests = any(argument.startswith("tests/") for argument in arguments)
    results = [passes(each, [*arguments, *(() if named_tests else TESTS)]) for each in releases]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(run(sys.argv[1].split() or RELEASES, sys.argv[2:]))
