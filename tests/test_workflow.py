"""The workflows call targets of the Makefile only, and nothing in them can change under them."""

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.supply.wheels import LOCKS, PYTHONS

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").iterdir())


def workflow(name: str) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load((GITHUB / "workflows" / name).read_text())
    return loaded


def made_by(job: dict[str, Any]) -> set[str]:
    """Returns the targets that a job makes."""
    commands = "\n".join(step.get("run", "") for step in job["steps"])
    called = re.findall(r"\bmake ([a-z -]+?)(?: >\S+)?$|\bmake ([a-z-]+) [A-Z]", commands, re.MULTILINE)
    return {word for words in called for word in " ".join(words).split()}


def test_a_release_is_tested_before_it_is_published() -> None:
    """It should test, build and publish, and publish last."""
    jobs = workflow("release.yml")["jobs"]
    for job in ("publish-package", "publish-image"):
        assert jobs[job]["needs"] == ["test", "image", "package"]
    assert jobs["release"]["needs"] == ["publish-package", "publish-image"]
    made = set().union(*map(made_by, jobs.values()))
    assert made == {"lint", "types", "test", "test-image", "check-dist", "release-notes", "publish"}


def steps_of(job: str) -> list[str]:
    return [step["run"] for step in workflow("release.yml")["jobs"][job]["steps"] if "run" in step]


def run_step(command: str, folder: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    # Below another make, this one would say which folder it enters.
    usual = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["bash", "-euc", command], cwd=folder, env=usual | env, capture_output=True, text=True)


def test_only_a_tag_that_is_the_version_is_released() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    (check,) = [command for command in steps_of("package") if "pyproject.toml" in command]
    assert run_step(check, ROOT, GITHUB_REF_NAME=f"v{version}").returncode == 0
    assert run_step(check, ROOT, GITHUB_REF_NAME="v99.0.0").returncode == 1


def test_the_notes_of_a_release_are_the_changelog_s(tmp_path: Path) -> None:
    (notes,) = [command for command in steps_of("package") if "release-notes" in command]
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 0.2.0\n\nNew.\n\n## 0.1.0 (2026)\n\nOld.\n")
    assert run_step(notes.replace("make", "make VERSION=0.2.0"), tmp_path).returncode == 0
    assert (tmp_path / "notes.md").read_text() == "New.\n"
    missing = run_step(notes.replace("make", "make VERSION=0.3.0"), tmp_path)
    assert (missing.returncode != 0, "CHANGELOG.md has no section ## 0.3.0." in missing.stderr) == (True, True)


def test_the_image_is_pushed_for_both_processors_with_its_bill_of_materials() -> None:
    """It should be one command of docker, which make prints here."""
    (publish,) = [command for command in steps_of("publish-image") if "make publish" in command]
    planned = run_step(publish.replace("make", "make --dry-run"), ROOT, GITHUB_REPOSITORY="Ada/Video2MP3").stdout
    assert re.search(r"^docker buildx build --push --platform linux/amd64,linux/arm64 ", planned, re.MULTILINE)
    assert "--sbom=true --provenance=mode=max" in planned
    assert re.search(r"--tag ghcr\.io/ada/video2mp3:\d+\.\d+\.\d+ --tag ghcr\.io/ada/video2mp3:[0-9a-f]{12}", planned)


def test_each_change_is_tested_on_every_python_and_processor() -> None:
    """It should do so for pushes and pull requests, from the oldest Python that the package allows on."""
    ci = workflow("ci.yml")
    assert set(ci[True]) == {"push", "pull_request"}  # YAML 1.1 reads `on` as true
    job = ci["jobs"]["test"]
    assert made_by(job) == {"lint", "types", "test"}
    assert job["strategy"]["matrix"]["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]
    pythons = job["strategy"]["matrix"]["python"]
    assert pythons == list(PYTHONS)
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert oldest == f">={pythons[0]}"


@pytest.mark.parametrize(
    ("job", "runner", "commands"),
    [
        ("macos", "macos-", ["video2mp3 doctor", "video2mp3 convert talk.aiff", "test -s talk.mp3"]),
        ("windows", "windows-", ["video2mp3 push --help", "import Client", "video2mp3 convert talk.mp4"]),
    ],
)
def test_systems_that_the_project_does_not_have_run_what_they_can(job: str, runner: str, commands: list[str]) -> None:
    """It should install there what the lock files pin for that system (tests/supply/wheels.py)."""
    found = workflow("ci.yml")["jobs"][job]
    steps = "\n".join(step.get("run", "") for step in found["steps"])
    assert found["runs-on"].startswith(runner)
    assert [command for command in commands if command not in steps] == []
    if "make install" not in steps:
        assert set(re.findall(r"-r requirements/(\w+)\.txt", steps)) == set(LOCKS["Windows"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_makes_only_targets_that_there_are(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    made = set().union(*map(made_by, workflow(path.name)["jobs"].values()))
    assert made
    assert made <= targets


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_and_uses_pinned_actions(path: Path) -> None:
    """It should have no right to write but where it publishes, and name each action by its commit."""
    found = workflow(path.name)
    assert found["permissions"] == {"contents": "read"}
    rights = {name: job["permissions"] for name, job in found["jobs"].items() if "permissions" in job}
    assert rights == (
        {
            "publish-package": {"id-token": "write"},
            "publish-image": {"contents": "read", "packages": "write"},
            "release": {"contents": "write"},
        }
        if path.name == "release.yml"
        else {}
    )
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
