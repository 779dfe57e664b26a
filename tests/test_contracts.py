"""The import contracts fail when code outside the sandbox imports a parser of containers."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINTER = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(LINTER), "--no-cache", "--config", str(folder / "pyproject.toml")]
    env = os.environ | {"PYTHONPATH": str(folder / "src"), "NO_COLOR": "1"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("module", "imported", "broken"),
    [
        (
            "api/uploads/early_start.py",
            "from video2mp3.engine.child.decoding.media import Media",
            "Untrusted bytes are parsed only in the sandbox",
        ),
        ("uploads/growing.py", "import av", "Untrusted bytes are parsed only in the sandbox"),
        ("engine/parent/calls.py", "import av", "Untrusted bytes are parsed only in the sandbox"),
        ("engine/parent/process.py", "import lameenc", "Untrusted bytes are parsed only in the sandbox"),
        (
            "worker/fetching.py",
            "from video2mp3.engine.containers.mp4_audio import find_audio",
            "Untrusted bytes are parsed only in the sandbox",
        ),
        (
            "jobs/sources.py",
            "from video2mp3.engine.containers import mp4",
            "Outside the sandbox, containers are inspected through streamability alone",
        ),
    ],
)
def test_a_parser_outside_the_sandbox_breaks_the_contract(
    tmp_path: Path, module: str, imported: str, broken: str
) -> None:
    """It should name that contract, and no other."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("page", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    file = tmp_path / "src" / "video2mp3" / module
    file.write_text(f"{file.read_text()}\n{imported}\n")
    linted = lint(tmp_path)
    assert linted.returncode == 1, linted.stdout
    found = [line.partition(" BROKEN")[0] for line in linted.stdout.splitlines() if " BROKEN" in line]
    assert found == [broken]


def test_the_contracts_are_kept() -> None:
    linted = lint(ROOT)
    assert linted.returncode == 0, linted.stdout


def test_every_package_outside_the_sandbox_is_under_the_contracts() -> None:
    """It should be so with new ones too."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    packages = {file.parent.name for file in (ROOT / "src" / "video2mp3").glob("*/__init__.py")} - {"engine"}
    guarding = [contract for contract in contracts if "sandbox" in contract["name"]]
    assert len(guarding) == 2
    for contract in guarding:
        assert {f"video2mp3.{name}" for name in packages} <= set(contract["source_modules"])
