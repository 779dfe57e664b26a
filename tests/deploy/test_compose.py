"""compose.yaml: every name in it is one that there is, and every service is bounded."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import FOLDER
from tests.deploy.manifests import ROLES as LONG_RUNNING
from video2mp3 import __version__
from video2mp3.settings import Settings

ROOT = Path(__file__).parents[2]
ROLES = (*LONG_RUNNING, "migrate")
Service = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def test_every_setting_is_one_and_its_file_a_secret(compose: dict[str, Any]) -> None:
    variables = {f"VIDEO2MP3_{name.upper()}" for name in Settings.model_fields}
    for role in ROLES:
        service = compose["services"][role]
        for name, value in service["environment"].items():
            assert name.removesuffix("_FILE") in variables, name
            if name.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"]
        # What roles on several machines cannot do without; the image itself sets the address to listen on.
        required = {f"VIDEO2MP3_{name}" for name in ("DATABASE_URL", "QUEUE_URL", "STORAGE_URL", "PUBLIC_URL")}
        assert {name.removesuffix("_FILE") for name in service["environment"]} >= required
        values = {name: value for name, value in service["environment"].items() if not name.endswith("_FILE")}
        Settings.model_validate({name.removeprefix("VIDEO2MP3_").lower(): value for name, value in values.items()})
        assert service["command"] == [role]
        assert service["image"] == f"${{IMAGE:-video2mp3:{__version__}}}"


def test_every_secret_is_drawn_and_ignored(compose: dict[str, Any], tmp_path: Path) -> None:
    """It should have a file for each that the script makes, and keep what was drawn before."""
    script = [FOLDER.parent / "make-secrets.sh", tmp_path / "secrets"]
    subprocess.run(script, check=True)
    drawn = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    assert {secret["file"] for secret in compose["secrets"].values()} == {f"secrets/{name}" for name in drawn}
    assert drawn["mysql-password"] in drawn["VIDEO2MP3_DATABASE_URL"]
    assert drawn["VIDEO2MP3_S3_SECRET_ACCESS_KEY"] in drawn["s3.json"]
    subprocess.run(script, check=True, capture_output=True)
    assert drawn == {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    assert "/secrets/" in (ROOT / ".gitignore").read_text().split()


def test_every_name_is_defined(compose: dict[str, Any]) -> None:
    """It should know every service, network, volume and secret that it names, and wait for what can be waited for."""
    services = compose["services"]
    for name, service in services.items():
        assert set(service["networks"]) <= set(compose["networks"]), name
        for secret in service.get("secrets", []):
            assert (secret if isinstance(secret, str) else secret["source"]) in compose["secrets"], name
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in compose["volumes"], name
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert services[other]["healthcheck"]["test"], f"{name} waits for {other}"
            else:
                assert how["condition"] == "service_completed_successfully"
                assert services[other]["restart"] == "on-failure", f"{name} waits for the end of {other}"


def test_every_service_is_bounded_and_only_the_front_is_reached(compose: dict[str, Any]) -> None:
    """It should give each memory and processor limits, and publish on loopback, from the front network alone."""
    assert compose["networks"]["back"]["internal"] is True
    for name, service in compose["services"].items():
        assert {"mem_limit", "cpus"} <= set(service), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name
            assert "front" in service["networks"], name
    for role in ROLES:
        service = compose["services"][role]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        # Docker ends a container after this: the drain has to fit in.
        drain_s = Settings.model_fields["drain_grace_s"].default
        assert int(service["stop_grace_period"].removesuffix("s")) >= drain_s + 15
    assert "front" not in compose["services"]["worker"]["networks"]
