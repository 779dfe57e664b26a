"""A Docker engine of the test's own: Debian 13's docker.io in its own root folder, mounts, processes and network.

Nothing of it is the machine's: bridges and rules are in a network that ends with the engine, and so do all containers.
"""

import ctypes
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers.programs import ServerProcess, require_program, wait_until

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "video2mp3-newest"
BASE = "python:3.13-slim-trixie"

_PACKAGES = (
    "ca-certificates,docker-buildx,docker-cli,docker-compose,docker-registry,docker.io,iproute2,iptables,procps,tini"
)
# The programs on the way replace each other; tini buries the containers' processes that lose their parents.
_ENTER = """
root=$1 work=$2 repository=$3
shift 3
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
for folder in "$work" "$repository"; do mkdir -p "$root$folder"; mount --bind "$folder" "$root$folder"; done
for file in /etc/resolv.conf /etc/hosts; do cp --dereference "$file" "$root$file"; done
cd "$root"
pivot_root . mnt
umount --lazy /mnt
ip link set lo up
exec tini -- "$@"
"""


class Docker:
    """Calls the client of one engine."""

    def __init__(self, pid: int, work: Path) -> None:
        self.pid = pid
        self.work = work
        # With the engine's mounts comes its root folder.
        self.enter = ["nsenter", f"--target={pid}", "--mount", "--net", f"--wdns={ROOT}"]
        self.command = [*self.enter, "docker"]

    def run(
        self, *arguments: str, env: dict[str, str] | None = None, text: str | None = None, timeout_s: float = 120
    ) -> str:
        """Returns what the client prints, with `text` as its input; fails with its errors."""
        result = subprocess.run(
            [*self.command, *arguments],
            env=os.environ | (env or {}),
            input=text,
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

    def address(self, name: str) -> str:
        """The address of a container in one of its networks that is reached from outside."""
        networks = self.inspect(name)["NetworkSettings"]["Networks"]
        found: str = max(networks.items(), key=lambda each: not each[0].endswith("_back"))[1]["IPAddress"]
        return found

    def build_arguments(self) -> list[str]:
        """What `docker build` needs to fetch packages: the machine's network, and its certificates."""
        arguments = ["--network", "host"]
        if os.environ.get("SSL_CERT_FILE"):
            # In the engine's root folder there may be no file of that name.
            certificates = self.work / "certificates"
            certificates.write_bytes(Path(os.environ["SSL_CERT_FILE"]).read_bytes())
            arguments += ["--secret", f"id=ca_bundle,src={certificates}"]
        return arguments

    def build(self, *arguments: str) -> None:
        """`docker build`."""
        self.run("buildx", "build", *self.build_arguments(), *arguments, timeout_s=900)

    def make(self, *command: str | Path) -> None:
        """Runs a program that calls the client by the variable DOCKER."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        env["DOCKER"] = " ".join(self.command)
        result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr

    @contextmanager
    def network(self) -> Iterator[None]:
        """Within it, this thread and all that it starts are in the engine's network, where ports are published."""
        with Path("/proc/self/ns/net").open("rb") as before, Path(f"/proc/{self.pid}/ns/net").open("rb") as there:
            _set_network(there.fileno())
            try:
                yield
            finally:
                _set_network(before.fileno())


def _set_network(descriptor: int) -> None:
    # os.setns is there from Python 3.12 on.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, 0x40000000) != 0:  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def docker_engine(work: Path, *, own_network: bool = True) -> Iterator[Docker]:
    """Starts an engine whose images and volumes are in `work`; skips the test, saying why, where none can be.

    Without a network of its own it can fetch packages; containers then have none but the machine's.
    """
    if os.geteuid() != 0:
        pytest.skip("a Docker engine needs root")
    require_program("debootstrap")
    root = CACHE / "docker"
    subprocess.run(["bash", str(ROOT / "tests" / "debian_root.sh"), root, "trixie", _PACKAGES], check=True)
    log = work / "log"
    command = ["dockerd", "--data-root", str(work / "data"), "--exec-root", "/run/docker", "--pidfile", "/run/pid"]
    if not own_network:
        command += ["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--bridge=none"]
    enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", *(["--net"] if own_network else [])]
    enter += ["sh", "-euc", _ENTER if own_network else _ENTER.replace("ip link set lo up\n", "")]
    server = ServerProcess([*enter, "sh", str(root), str(work), str(ROOT), *command], log)
    docker = Docker(_first_child(server), work)
    try:

        def answers() -> bool:
            return subprocess.run([*docker.command, "info"], capture_output=True, check=False).returncode == 0

        wait_until(lambda: answers() or not server.is_running(), 60, f"dockerd to start, see {log}")
        if not server.is_running():
            pytest.skip(f"dockerd does not start here: {log.read_text()[-1000:]}")
        try:
            yield docker
        finally:
            if names := docker.run("ps", "--all", "--quiet").split():
                docker.run("rm", "--force", *names)
    finally:
        if server.is_running():
            os.kill(docker.pid, signal.SIGTERM)  # `unshare` would kill what is inside, without telling it
            wait_until(lambda: not server.is_running(), 60, "dockerd to end")
        server.kill()


def _first_child(server: ServerProcess) -> int:
    """The process in the namespaces: `unshare` stays outside and waits for it."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    found = wait_until(lambda: children.read_text().split(), 10, "unshare to start")
    return int(found[0])
