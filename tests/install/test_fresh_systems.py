"""The package on fresh Debian systems: installed by an ordinary user from a folder of wheels, used with no network."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.install.systems import System, debian, fetch_wheels, python_of, running
from tests.media import make_video
from tests.supply.locks import ROOT

pytestmark = [
    pytest.mark.skipif(not os.environ.get("TESTS_INSTALL"), reason="takes minutes: make test-install"),
    pytest.mark.timeout(1200),
]

FRESH = ("bookworm", "trixie")
PACKAGES = "ca-certificates,curl,iproute2,pipx,python3,python3-venv"
ALL = "video2mp3-service[service,client]"
UV = "python3 -m venv /tmp/uv; /tmp/uv/bin/pip install uv"
WAYS = {
    "pip": f"python3 -m venv venv; venv/bin/pip install '{ALL}'",
    "pipx": f"pipx install '{ALL}'",
    "uv": f"{UV}; /tmp/uv/bin/uv tool install --offline --no-index --find-links /shared '{ALL}'",
}


@pytest.fixture(scope="module")
def built() -> Path:
    """The wheel of `make dist`, which `twine check` accepts, as it does the sdist."""
    subprocess.run(["make", "check-dist"], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (ROOT / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module", params=FRESH)
def fresh(request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of a Debian release, and one with the wheels for its Python and a video."""
    folder = debian(request.param, PACKAGES, request.param)
    shared = tmp_path_factory.mktemp(request.param)
    shared.chmod(0o755)
    fetch_wheels(python_of(folder), shared, "runtime", "build", "dist")
    for file in (built, Path(__file__).with_name("use.sh")):
        shutil.copy(file, shared)
    make_video(shared / "talk.mp4", 30)
    return folder, shared


@pytest.fixture
def system(fresh: tuple[Path, Path]) -> Iterator[System]:
    """That system, newly started for each way to install."""
    with running(*fresh) as system:
        system.run("cp /shared/talk.mp4 .")
        yield system


@pytest.mark.parametrize("way", WAYS)
def test_it_converts_and_serves_its_page(system: System, way: str) -> None:
    """It should need nothing from Debian but Python, no network after the installation, and no root."""
    before = time.monotonic()
    system.run(WAYS[way])
    seconds = time.monotonic() - before
    text = system.run("bash /shared/use.sh")
    assert "Everything works." in text
    system.run("grep -q '<script' page.html && grep -q svelte page.js")
    assert {system.run(f"head -c 3 {name}.mp3") for name in ("talk", "served", "pushed")} == {"ID3"}
    size = system.run("du --summarize --block-size=MB --exclude=.cache .").split()[0]
    print(f"\n{way}, Python {system.python}: {size} in {seconds:.0f} s")


def test_uvx_converts_without_installing(system: System) -> None:
    """It should be the first command of the README."""
    (command,) = re.findall("`(uvx [^`]+)`", (ROOT / "README.md").read_text())
    system.run(UV)
    system.run(f"export PATH=/tmp/uv/bin:$PATH UV_OFFLINE=1 UV_NO_INDEX=1 UV_FIND_LINKS=/shared; {command}")
    assert system.run("head -c 3 talk.mp3") == "ID3"


def test_the_base_package_is_small_and_converts(system: System) -> None:
    system.run("python3 -m venv venv; venv/bin/pip install video2mp3-service; video2mp3 convert talk.mp4")
    assert system.run("head -c 3 talk.mp3") == "ID3"
    packages = system.run("venv/bin/pip list --format=freeze").split()
    assert not any(line.startswith(("fastapi=", "sqlalchemy=", "httpx=")) for line in map(str.lower, packages))
    size = system.run("du --summarize --block-size=MB venv").split()[0]
    print(f"\nbase, Python {system.python}: {size}, {len(packages)} packages")
