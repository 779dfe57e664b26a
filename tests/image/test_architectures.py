"""The image can be built for another processor. Runs first: no network leads out of the engine that the others use."""

import subprocess
import sys
from pathlib import Path

from tests.image.conftest import OPT_IN
from tests.image.engine import ROOT

pytestmark = OPT_IN


def test_every_dependency_is_there_for_the_other_processor(tmp_path: Path) -> None:
    """It should find a wheel for 64-bit ARM of all that the image installs, with a hash that is locked."""
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in range(17, 42)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--python-version=3.13", "--platform=manylinux2014_aarch64", *platforms]
    command += ["--dest", str(tmp_path), "--requirement", str(ROOT / "requirements" / "runtime.txt")]
    subprocess.run(command, check=True, capture_output=True)
    assert any("aarch64" in wheel.name for wheel in tmp_path.iterdir())
