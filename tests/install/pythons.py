"""Runs the core tests under the Pythons of other Debian releases: `python -m tests.install.pythons`, as root."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.install.systems import USER, debian, fetch_wheels, python_of, running
from tests.supply.locks import ROOT

RELEASES = ("trixie", "sid")
# Tests that need a server are skipped: these systems have none.
TESTS = "tests/engine tests/cli tests/jobs tests/database tests/api"
_PACKAGES = "curl,ffmpeg,iproute2,mpg123,procps,python3,python3-venv"
_INSTALL = """
python3 -m venv /venv
cd requirements
/venv/bin/pip --quiet install --require-hashes -r build.txt -r runtime.txt -r dev.txt
cd ..
/venv/bin/pip --quiet install --no-deps --no-build-isolation --editable .
"""


def run(release: str, arguments: str) -> None:
    """Prints what pytest prints; raises CalledProcessError where a test fails."""
    folder = debian(release, _PACKAGES, f"{release}-tests")
    with tempfile.TemporaryDirectory() as name:
        shared = Path(name)
        shared.chmod(0o755)
        fetch_wheels(python_of(folder), shared, "build", "runtime", "dev")
        with running(folder, shared, ROOT) as system:
            system.run(f"cd /repository; {_INSTALL}", user="root")
            print(f"Debian {release}, Python {system.python}", flush=True)
            pytest = f"cd /repository; /venv/bin/pytest -q -p no:cacheprovider {arguments}"
            subprocess.run(system.command(pytest, USER), check=True)


if __name__ == "__main__":
    for each in RELEASES:
        run(each, " ".join(sys.argv[1:]) or TESTS)
