"""The commands of docs/operations.md: run as far as they need no cluster, the rest checked by the names in them."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import pytest
import yaml

from tests.deploy.manifests import FOLDER, OVERLAYS, Manifest, containers, of_kind, program, render
from tests.deploy.test_helm import CHART, PRODUCTION, settings_of
from tests.deploy.test_kubernetes import mounted
from video2mp3 import __version__

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
KUBERNETES = PAGE.split("\n## Kubernetes\n")[1].split("\n## ")[0]


def blocks() -> list[list[str]]:
    """The blocks of shell commands, a line each, without comments."""
    found = re.findall(r"^```sh\n(.*?)^```", KUBERNETES, re.MULTILINE | re.DOTALL)
    return [[re.sub(r"\s+#.*", "", line) for line in block.splitlines()] for block in found]


def commands() -> Iterator[list[str]]:
    """Each command of each line, also those that are joined by a pipe or whose output becomes a variable."""
    for block in blocks():
        for line in block:
            words = shlex.split(re.sub(r"^\w+=\$\((.*)\)$", r"\1", line))
            for is_pipe, command in groupby(words, lambda word: word == "|"):
                if not is_pipe:
                    yield list(command)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the commands name, in which they may write."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets"), symlinks=True)
    return tmp_path


def test_secrets_are_made_and_the_overlays_rendered_as_the_page_says(checkout: Path) -> None:
    """It should run every block up to what asks a cluster, and make with `kubectl` and `helm` what they would send."""
    kubectl, helm = program("kubectl"), program("helm")
    (checkout / "my-values.yaml").write_text(yaml.safe_dump(PRODUCTION | {"settings": settings_of("production")}))
    rendered = 0
    for block in blocks():
        script = []
        for line in block:
            if line.startswith("kubectl apply --kustomize "):
                script.append(f"{kubectl} kustomize {line.split()[-1]} >/dev/null")
            elif line.startswith("kubectl --namespace video2mp3 create secret "):
                script.append(f"{kubectl} {line.removeprefix('kubectl ')} --dry-run=client --output=yaml")
            elif line.startswith("helm upgrade --install "):
                script.append(f"{helm} template {line.removeprefix('helm upgrade --install ')} >/dev/null")
            elif (
                not line.startswith(("make ", "docker ", "kind ", "minikube ", "kubectl ")) and "| kubectl " not in line
            ):
                script.append(line)
        rendered += sum(" kustomize " in line or " template " in line for line in script)
        done = subprocess.run(["bash", "-euc", "\n".join(script)], cwd=checkout, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert rendered >= len(OVERLAYS) + 1


def test_every_other_command_names_what_is_there(tmp_path: Path) -> None:
    local = render("local", tmp_path)
    checked = [check(command, local) for command in commands() for check in CHECKS if command[0] in check.__name__]
    assert len(checked) >= 24
    known = {"bash", "cd", "mkdir", "printf", "openssl", "deploy/make-secrets.sh", "helm"}
    known |= {"kubectl", "make", "docker", "kind", "minikube", "sudo"}
    assert {command[0] for command in commands()} <= known


def check_kubectl(command: list[str], local: list[Manifest]) -> None:
    """The namespace, the objects and the ports are those of the manifests."""
    words = [word for word in command[1:] if not word.startswith("--")]
    if "--namespace" in command:
        assert command[command.index("--namespace") + 1] == of_kind(local, "Namespace")[0]["metadata"]["name"]
    for word in words:
        if match := re.fullmatch(r"(deployment|statefulset|service)/(\w+)", word):
            found = {each["metadata"]["name"]: each for each in local if each["kind"].lower() == match[1]}
            assert match[2] in found, word
            if "port-forward" in command:
                ports = {str(port["port"]) for port in found[match[2]]["spec"]["ports"]}
                assert command[-1].split(":")[1] in ports
    if "exec" in command:
        check_exec(command[command.index("--") + 1 :], local)


def check_exec(command: list[str], local: list[Manifest]) -> None:
    """What runs in a container is there: our own command, the files of secrets, the storage's folder."""
    if command[0] == "video2mp3":
        subprocess.run([program("video2mp3"), *command[1:3], "--help"], check=True, capture_output=True)
    elif command[0] == "sh":
        (files,) = [
            mounted(local, pod, container) for _, pod, container in containers(local) if container["name"] == "mysql"
        ]
        (file,) = re.findall(r"/run/secrets/[\w/-]+", command[2])
        assert file in files
    else:
        assert command[0] == "tar"
        (folder,) = [word.removeprefix("--directory=") for word in command if word.startswith("--directory=")]
        assert settings_of("local")["VIDEO2MP3_STORAGE_URL"] == f"file://{folder}"


def check_docker_kind_minikube(command: list[str], local: list[Manifest]) -> None:
    """The image is built under one name and brought to the node under the overlay's."""
    (image,) = {
        container["image"]
        for deployment in of_kind(local, "Deployment")
        for container in deployment["spec"]["template"]["spec"]["containers"]
    }
    assert image in command
    if command[1] == "tag":
        assert command[2:] == [f"video2mp3:{__version__}", image]


def check_make(command: list[str], local: list[Manifest]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in command[1:])


CHECKS: tuple[Callable[[list[str], list[Manifest]], None], ...] = (
    check_kubectl,
    check_docker_kind_minikube,
    check_make,
)


def test_a_name_that_is_not_there_is_found(tmp_path: Path) -> None:
    """A control of the checks."""
    local = render("local", tmp_path)
    for command in (
        "kubectl --namespace elsewhere port-forward service/api 8000:80",
        "kubectl --namespace video2mp3 port-forward service/nothing 8000:80",
        "kubectl --namespace video2mp3 port-forward service/api 8000:8080",
        "kubectl --namespace video2mp3 exec statefulset/mysql -- sh -c 'cat /run/secrets/mysql/nothing'",
        "kubectl --namespace video2mp3 exec deployment/api -- tar --create --directory=/data/elsewhere objects",
    ):
        with pytest.raises(AssertionError):
            check_kubectl(shlex.split(command), local)
    with pytest.raises(AssertionError):
        check_docker_kind_minikube(shlex.split("kind load docker-image video2mp3:0.0.9"), local)


def test_the_files_of_the_chart_and_the_overlays_are_named_as_they_are() -> None:
    for path in re.findall(r"`((?:deploy|components|overlays|base)/[\w./*-]+)`", KUBERNETES):
        folder = ROOT if path.startswith("deploy") else FOLDER
        assert list(folder.glob(path.rstrip("/"))) or path.endswith("secrets/"), path
    assert CHART.is_dir()
