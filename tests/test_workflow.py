"""The workflows call targets of the Makefile only, and nothing in them can change under them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").iterdir())


def workflow(name: str) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load((GITHUB / "workflows" / name).read_text())
    return loaded


def made_by(job: dict[str, Any]) -> set[str]:
    """Returns the targets that a job makes."""
    commands = "\n".join(step.get("run", "") for step in job["steps"])
    called = re.findall(r"\bmake ([a-z -]+)$|\bmake ([a-z-]+) [A-Z]", commands, re.MULTILINE)
    return {word for words in called for word in " ".join(words).split()}


def test_a_release_is_tested_before_it_is_published() -> None:
    """It should build, test and publish, and publish last."""
    jobs = workflow("release.yml")["jobs"]
    assert jobs["publish"]["needs"] == ["test", "image"]
    assert set().union(*map(made_by, jobs.values())) == {"lint", "types", "test", "test-image", "publish"}


def test_each_change_is_tested_on_every_python_and_processor() -> None:
    """It should do so for pushes and pull requests, from the oldest Python that the package allows on."""
    ci = workflow("ci.yml")
    assert set(ci[True]) == {"push", "pull_request"}  # YAML 1.1 reads `on` as true
    job = ci["jobs"]["test"]
    assert made_by(job) == {"lint", "types", "test"}
    assert job["strategy"]["matrix"]["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]
    pythons = job["strategy"]["matrix"]["python"]
    assert pythons == [f"3.{minor}" for minor in range(11, 15)]
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert oldest == f">={pythons[0]}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_makes_only_targets_that_there_are(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    made = set().union(*map(made_by, workflow(path.name)["jobs"].values()))
    assert made
    assert made <= targets


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_and_uses_pinned_actions(path: Path) -> None:
    """It should have no right to write, and name each action by its commit."""
    found = workflow(path.name)
    assert found["permissions"] == {"contents": "read"}
    used = [step["uses"] for job in found["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each) for each in used)


@pytest.mark.parametrize("path", sorted((GITHUB / "ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=lambda path: path.name)
def test_a_form_for_issues_is_one(path: Path) -> None:
    """It should have what GitHub requires; without that it shows no form."""
    form = yaml.safe_load(path.read_text())
    assert form["name"]
    assert form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert all(field["attributes"]["label"] for field in fields)
    assert len({field["id"] for field in fields}) == len(fields) > 0
