"""Debian systems as somebody has them who just installed one: an ordinary user, no network, nothing of ours.

Each system is a layer in memory over the folder that debootstrap made, so the kernel drops all changes when it ends.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.programs import ServerProcess, wait_until
from tests.supply.locks import ROOT
from tests.supply.wheels import Target

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "video2mp3-systems"
USER = "ada"
RELEASES = {"bookworm": ("12", "3.11"), "trixie": ("13", "3.13"), "sid": ("sid", "3.14")}
"""The name of each release of Debian that the tests run, for people, and its Python."""

_ENTER = """
lower=$1 shared=$2
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root /mnt/repository-upper /mnt/repository-work
mount -t overlay -o "lowerdir=$lower,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/root
cd /mnt/root
mkdir -p shared repository
mount --bind -o ro "$shared" shared
[ $# = 2 ] ||
  mount -t overlay -o "lowerdir=$3,upperdir=/mnt/repository-upper,workdir=/mnt/repository-work" overlay repository
mount -t proc proc proc
mount --rbind /dev dev
echo 127.0.0.1 localhost >etc/hosts
chroot . useradd --create-home --shell /bin/bash ada
pivot_root . mnt
umount --lazy /mnt
ip link set lo up
trap '' CHLD  # process 1 has to: otherwise processes that nobody waits for stay as zombies
exec sleep infinity
"""


class System:
    """A running system."""

    def __init__(self, pid: int, python: str) -> None:
        self._enter = ["nsenter", f"--target={pid}", "--mount", "--net", "--pid"]
        self.python = python
        """The version of its `python3`, such as 3.13."""

    def command(self, command: str, user: str) -> list[str]:
        """Returns what runs a command of bash as that user in the user's home, from outside of the system."""
        home = f"/home/{user}" if user != "root" else "/root"
        path = f"{home}/venv/bin:{home}/.local/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        pip = ["PIP_NO_INDEX=1", "PIP_FIND_LINKS=/shared"]
        # Without the signals that this process ignores, as a background job of a shell ignores SIGINT.
        clean = ["env", "--default-signal", "-i"]
        environment = [*clean, f"HOME={home}", f"USER={user}", "LANG=C.UTF-8", f"PATH={path}", *pip]
        identity = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return [*self._enter, f"--wdns={home}", *identity, *environment, "bash", "-euo", "pipefail", "-c", command]

    def run(self, command: str, user: str = USER) -> str:
        """Runs a command and returns what it prints; fails with its errors."""
        full = self.command(command, user)
        result = subprocess.run(full, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result.stdout


def debian(release: str, packages: str, name: str) -> Path:
    """Returns the folder `name` of the cache, with that release of Debian; it is made if it is not there yet."""
    folder = CACHE / name
    subprocess.run(["bash", ROOT / "tests" / "debian_root.sh", folder, release, packages], check=True)
    assert python_of(folder) == RELEASES[release][1], "another Python: change RELEASES and docs/install.md"
    return folder


def python_of(folder: Path) -> str:
    """The version of a system's `python3`, such as 3.13."""
    return (folder / "usr" / "bin" / "python3").readlink().name.removeprefix("python")


def fetch_wheels(python: str, folder: Path, *locks: str) -> None:
    """Downloads what the lock files pin, for that Python on this processor."""
    target = Target("Linux", os.uname().machine, python)
    for lock in locks:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps"]
        command += ["--require-hashes", *target.pip_arguments(), "--dest", str(folder)]
        subprocess.run([*command, "--requirement", ROOT / "requirements" / f"{lock}.txt"], check=True)


@contextmanager
def running(folder: Path, shared: Path, repository: Path | None = None) -> Iterator[System]:
    """Starts the system of a folder. `shared` is /shared in it, and what it changes of `repository` stays in it."""
    enter = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-euc", _ENTER, "sh"]
    folders = [str(folder), str(shared), *([str(repository)] if repository else [])]
    server = ServerProcess([*enter, *folders], shared / "system.log")
    try:
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
        pid = int(wait_until(lambda: children.read_text().split(), 10, "unshare to start")[0])
        server.wait_ready(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n", 60)
        yield System(pid, python_of(folder))
    finally:
        server.kill()
