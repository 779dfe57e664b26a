"""The tables of supported systems say what tests and CI run, and no more."""

import re
from typing import Any

import pytest
import yaml

from tests.install import pythons, test_fresh_systems
from tests.install.systems import RELEASES
from tests.supply.locks import ROOT
from tests.supply.wheels import PYTHONS, TABLE

CI: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
INSTALL = (ROOT / "docs" / "install.md").read_text()
README = (ROOT / "README.md").read_text()

RUN = {
    ("Linux", "convert", "yes"): "make test",
    ("Linux", "serve", "yes"): "make test",
    ("Linux", "push", "yes"): "make test",
    ("macOS", "convert", "yes"): "video2mp3 convert talk.aiff",
    ("macOS", "serve", "on a loopback address"): "video2mp3 serve",
    ("macOS", "push", "yes"): "video2mp3 push talk.aiff",
    ("Windows", "convert", "in WSL 2 or Docker"): 'grep "WSL 2" reason',
    ("Windows", "serve", "in WSL 2 or Docker"): 'grep "WSL 2" reason',
    ("Windows", "push", "yes"): "video2mp3 push --help",
}
"""What CI runs on the system of a column, for what each cell of the README's table says."""
JOBS = {"Linux": "test", "macOS": "macos", "Windows": "windows"}


def cells() -> dict[tuple[str, str], str]:
    """The README's table, by the first words of column and row."""
    lines = README[README.index("| | Linux") :].split("\n\n")[0].splitlines()
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {
        (column.split(",")[0].split(" ")[0], row[0].split(",")[0]): cell
        for row in rows
        for column, cell in zip(head[1:], row[1:], strict=True)
    }


def test_each_cell_of_the_readme_s_table_is_run_by_ci() -> None:
    """It should have no cell that says more than the command which CI runs on that system."""
    found = cells()
    assert len(found) == len(RUN)
    for (system, row), cell in found.items():
        said = next(key for key in RUN if key[:2] == (system, row) and cell.startswith(key[2]))
        commands = "\n".join(step.get("run", "") for step in CI[JOBS[system]]["steps"])
        assert RUN[said] in commands, (system, row, cell)


def test_the_processors_and_pythons_are_those_of_ci() -> None:
    matrix = CI["test"]["strategy"]["matrix"]
    assert "Linux, x86-64 and arm64" in README
    assert matrix["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]
    assert f"Python {PYTHONS[0]} to {PYTHONS[-1]}" in INSTALL
    assert matrix["python"] == list(PYTHONS)
    assert TABLE.is_file()


@pytest.mark.parametrize(
    ("target", "releases"), [("test-install", test_fresh_systems.FRESH), ("test-pythons", pythons.RELEASES)]
)
def test_the_releases_of_debian_are_those_that_the_targets_run(target: str, releases: tuple[str, ...]) -> None:
    rows = re.findall(r"^\| Debian (\w+), Python ([\d.]+), x86-64 \| (.*) \|$", INSTALL, re.MULTILINE)
    assert {(name, python) for name, python, _ in rows} == set(RELEASES.values())
    text = {(name, python): what for name, python, what in rows}
    for release in releases:
        said = text[RELEASES[release]].replace("the same installation", "`make test-install`")
        assert f"`make {target}`" in said, release
