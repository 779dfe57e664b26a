"""A Docker engine of the test's own: its data, its socket; no network of its own, containers use the machine's."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers.programs import ServerProcess, wait_until

ROOT = Path(__file__).parents[2]
BASE = "python:3.13-slim-trixie"


class Docker:
    """Calls the client of one engine."""

    def __init__(self, client: str, socket: Path) -> None:
        self.command = [client, "--host", f"unix://{socket}"]

    def run(self, *arguments: str, env: dict[str, str] | None = None, timeout_s: float = 120) -> str:
        """Returns what the client prints; fails with its errors."""
        result = subprocess.run(
            [*self.command, *arguments],
            cwd=ROOT,
            env=os.environ | (env or {}),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert result.returncode == 0, f"docker {' '.join(arguments)}: {result.stdout}{result.stderr}"
        return result.stdout + result.stderr

    def inspect(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("inspect", name))[0]
        return found

    def build(self, tag: str) -> None:
        """Makes the base from Debian's packages, as where no registry is reached, and the image on it."""
        base = [str(ROOT / "deploy" / "make-base-image.sh"), BASE]
        subprocess.run(base, check=True, env=os.environ | {"DOCKER": " ".join(self.command)}, capture_output=True)
        certificates = os.environ.get("SSL_CERT_FILE")
        secret = ["--secret", f"id=ca_bundle,src={certificates}"] if certificates else []
        labels = ["--build-arg", "VERSION=1.2.3", "--build-arg", "REVISION=abc"]
        arguments = ["build", "--network", "host", *secret, *labels, "--tag", tag, "."]
        self.run(*arguments, env={"DOCKER_BUILDKIT": "1"}, timeout_s=900)


@contextmanager
def docker_engine() -> Iterator[Docker]:
    """Starts an engine; skips the test, saying why, where none can be."""
    programs = {name: shutil.which(name, path="/usr/bin:/usr/sbin") for name in ("docker", "dockerd", "debootstrap")}
    lacking = [name for name, path in programs.items() if path is None]
    if lacking or os.geteuid() != 0:
        pytest.skip(f"needs root and Debian's docker.io and debootstrap (lacking: {', '.join(lacking) or 'root'})")
    folder = Path(tempfile.mkdtemp(prefix="docker-"))
    log, socket = folder / "log", folder / "socket"
    command = [str(programs["dockerd"]), "--host", f"unix://{socket}", "--pidfile", str(folder / "pid")]
    command += ["--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")]
    # Rules and bridges are the kernel's for the whole machine: a test makes none.
    command += ["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--bridge=none"]
    server = ServerProcess(command, log)
    try:
        wait_until(lambda: socket.exists() or not server.is_running(), 60, f"dockerd to start, see {log}")
        if not server.is_running():
            pytest.skip(f"dockerd does not start here: {log.read_text()[-300:]}")
        docker = Docker(str(programs["docker"]), socket)
        try:
            yield docker
        finally:
            if names := docker.run("ps", "--all", "--quiet").split():
                docker.run("rm", "--force", *names)
    finally:
        server.stop(60)
        # The engine leaves its name of the machine's network mounted.
        for line in Path("/proc/mounts").read_text().splitlines():
            if (mount := line.split()[1]).startswith(f"{folder}/"):
                subprocess.run(["umount", mount], check=True)
        shutil.rmtree(folder)
