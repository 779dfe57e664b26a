"""The release workflow says no more than the Makefile, and nothing in it can change under it."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / ".github" / "workflows" / "release.yml").read_text()


def test_a_release_is_tested_before_it_is_published() -> None:
    """It should build, test and publish by targets that there are, and publish last."""
    jobs = yaml.safe_load(TEXT)["jobs"]
    assert jobs["publish"]["needs"] == ["test", "image"]
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {
        word
        for job in jobs.values()
        for step in job["steps"]
        for words in re.findall(r"\bmake ([a-z -]+)$|\bmake ([a-z-]+) [A-Z]", step.get("run", ""), re.MULTILINE)
        for word in " ".join(words).split()
    }
    assert called == {"lint", "types", "test", "test-image", "publish"}
    assert called <= targets


def test_it_may_only_read_and_uses_pinned_actions() -> None:
    """It should have no right to write, and name each action by its commit."""
    workflow = yaml.safe_load(TEXT)
    assert workflow["permissions"] == {"contents": "read"}
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each) for each in used)
