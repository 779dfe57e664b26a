"""The Helm chart: with the values of an overlay it makes the objects of that overlay."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import FOLDER, Manifest, program, render
from video2mp3 import __version__

CHART = FOLDER.parent / "helm" / "video2mp3"
PRODUCTION: dict[str, Any] = {
    "image": {"repository": "registry.example.com/video2mp3", "tag": "0.1.0"},
    "mailSecretName": "video2mp3-mail",
    "ingress": {"host": "video2mp3.example.com", "tlsSecretName": "video2mp3-tls"},
    "egress": {
        "servers": {"cidrs": ["192.0.2.0/24"]},
        "storage": {"cidrs": ["198.51.100.0/24"]},
        "mail": {"cidrs": ["192.0.2.0/24"]},
    },
}


def settings_of(overlay: str) -> dict[str, str]:
    lines = (FOLDER / "overlays" / overlay / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def template(folder: Path, values: dict[str, Any], namespace: str = "video2mp3") -> list[Manifest]:
    """What `helm template` makes with these values."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    command = [
        str(program("helm")),
        "template",
        "video2mp3",
        str(CHART),
        "--namespace",
        namespace,
        "--values",
        str(file),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [dict(manifest) for manifest in yaml.safe_load_all(done.stdout) if manifest]


def comparable(manifests: list[Manifest]) -> dict[tuple[str, str], Manifest]:
    """Without what differs on purpose: the namespace and the Secrets are the user's, and names carry no hash."""
    found = {}
    for manifest in manifests:
        text = re.sub(r"\b(video2mp3(?:-mail|-tls)?)-[a-z0-9]{10}\b", r"\1", yaml.safe_dump(manifest))
        plain = yaml.safe_load(text)
        if plain["kind"] in ("Namespace", "Secret"):
            continue
        if plain["kind"] == "Deployment":
            plain["spec"]["template"]["metadata"]["annotations"].pop("checksum/settings", None)
        found[plain["kind"], plain["metadata"]["name"]] = plain
    return found


def without_order(value: Any, name: str = "") -> Any:
    """The lists whose members have names in one order; that of arguments, rules and containers means something."""
    if isinstance(value, dict):
        return {key: without_order(each, key) for key, each in value.items()}
    if isinstance(value, list):
        members = [without_order(each) for each in value]
        return sorted(members, key=repr) if name in ("env", "volumes", "volumeMounts") else members
    return value


@pytest.mark.parametrize(
    ("overlay", "worker", "more"),
    [
        ("production", {}, set()),
        ("autoscale", {"replicas": None, "drainGraceSeconds": 3600}, {"ScaledObject", "TriggerAuthentication"}),
    ],
)
def test_it_makes_the_objects_of_an_overlay(
    overlay: str, worker: dict[str, Any], more: set[str], tmp_path: Path
) -> None:
    """It should make all of them, and equal ones, but what belongs to KEDA."""
    made = comparable(template(tmp_path, PRODUCTION | {"settings": settings_of("production"), "worker": worker}))
    expected = comparable(render(overlay, tmp_path))
    assert {kind for kind, _ in expected} >= more
    expected = {key: manifest for key, manifest in expected.items() if key[0] not in more}
    assert made.keys() == expected.keys()
    for key, manifest in expected.items():
        assert without_order(made[key]) == without_order(manifest), key


def test_a_value_that_differs_is_seen(tmp_path: Path) -> None:
    """A control of the comparison."""
    other = PRODUCTION | {"settings": settings_of("production"), "worker": {"replicas": 3}}
    made, expected = comparable(template(tmp_path, other)), comparable(render("production", tmp_path))
    assert [name for name in expected if without_order(made[name]) != without_order(expected[name])] == [
        ("Deployment", "worker")
    ]


def test_a_changed_setting_rolls_the_pods(tmp_path: Path) -> None:
    settings = settings_of("production")

    def checksums(values: dict[str, Any]) -> set[str]:
        return {
            manifest["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]
            for manifest in template(tmp_path, PRODUCTION | {"settings": values})
            if manifest["kind"] == "Deployment"
        }

    first = checksums(settings)
    assert len(first) == 1
    assert checksums(settings) == first
    assert checksums(settings | {"VIDEO2MP3_LOG_LEVEL": "debug"}).isdisjoint(first)


def test_the_service_is_answered_by_its_names_in_any_namespace(tmp_path: Path) -> None:
    manifests = template(tmp_path, PRODUCTION | {"settings": settings_of("production")}, namespace="sound")
    (settings,) = [manifest for manifest in manifests if manifest["kind"] == "ConfigMap"]
    assert settings["data"]["VIDEO2MP3_ALLOWED_HOSTS"] == "api,api.sound,api.sound.svc,api.sound.svc.cluster.local"
    assert {manifest["metadata"]["namespace"] for manifest in manifests} == {"sound"}


@pytest.mark.parametrize("missing", ["VIDEO2MP3_PUBLIC_URL", "VIDEO2MP3_STORAGE_URL", "egress"])
def test_what_is_required_is_named(missing: str, tmp_path: Path) -> None:
    values = PRODUCTION | {"settings": settings_of("production")}
    values["settings"].pop(missing, None)
    values.pop(missing, None)
    with pytest.raises(AssertionError, match=missing):
        template(tmp_path, values)


def test_it_is_of_this_version_and_helm_finds_no_fault(tmp_path: Path) -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(PRODUCTION | {"settings": settings_of("production")}))
    subprocess.run([program("helm"), "lint", "--strict", CHART, "--values", file], check=True, capture_output=True)


def test_a_package_holds_the_manifests(tmp_path: Path) -> None:
    """It should carry the files that the checkout has by a link."""
    subprocess.run([program("helm"), "package", CHART, "--destination", tmp_path], check=True, capture_output=True)
    listed = subprocess.check_output(["tar", "-tzf", tmp_path / f"video2mp3-{__version__}.tgz"], text=True).split()
    assert {f"video2mp3/base/{file.name}" for file in (FOLDER / "base").iterdir()} <= set(listed)
