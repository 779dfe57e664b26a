"""The overlays of deploy/kubernetes as kubectl renders them."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.servers.programs import missing

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
OVERLAYS = ("local", "production", "autoscale")
ROLES = ("api", "worker", "notifier")

Manifest = dict[str, Any]


def program(name: str) -> Path:
    """Returns where kubectl or helm is; a test without it is skipped on a laptop, and fails in CI."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        missing(f"{name} (make tools)")
    return path


def render(overlay: str, folder: Path) -> list[Manifest]:
    """Renders an overlay from a copy, in which every secret that it names has been made."""
    copy = folder / "kubernetes"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("secrets"))
    subprocess.run([FOLDER.parent / "make-secrets.sh", copy / "overlays" / "local" / "secrets"], check=True)
    for kustomization in copy.glob("overlays/*/kustomization.yaml"):
        for name in re.findall(r"secrets/\w[\w.-]*", kustomization.read_text()):
            secret = kustomization.parent / name
            secret.parent.mkdir(exist_ok=True)
            if not secret.exists():
                secret.write_text("made for a test\n")
    rendered = subprocess.run(
        [program("kubectl"), "kustomize", copy / "overlays" / overlay], check=True, capture_output=True, text=True
    ).stdout
    return [dict(manifest) for manifest in yaml.safe_load_all(rendered)]


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def pods(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Every pod template with what makes its pods."""
    for owner in of_kind(manifests, "Deployment", "StatefulSet", "Job"):
        yield owner, owner["spec"]["template"]


def containers(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest, Manifest]]:
    """Every container with its pod's spec and what makes that."""
    for owner, template in pods(manifests):
        for container in [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]:
            yield owner, template["spec"], container


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """Tells whether a label selector selects these labels (operator `In` is all that we use)."""
    assert set(selector) <= {"matchLabels", "matchExpressions"}
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
