"""Programs of another Debian release: they run in its folder (chroot), on the tests' own files."""

import os
from collections.abc import Sequence
from pathlib import Path

# In a mount namespace of its own: /proc, and the server's folder under the same name inside as outside.
_ENTER = """
mount -t proc proc "$1/proc"
mkdir -p "$1$2"
mount --bind "$2" "$1$2"
root=$1
shift 2
exec chroot "$root" "$@"
"""


def root_of(server: str) -> Path | None:
    """Returns the folder of the release whose `server` (`RABBITMQ`, `MYSQL`) the tests are to use; None: this system's.

    `make test-newest` sets TESTS_<SERVER>_ROOT.
    """
    folder = os.environ.get(f"TESTS_{server}_ROOT")
    return Path(folder) if folder else None


def inside(root: Path | None, folder: Path, command: Sequence[str]) -> list[str]:
    """Returns the command that runs `command` in the root, with the folder at hand; needs to be root.

    All the programs on the way there replace each other, so the process is the command's own.
    """
    if root is None:
        return list(command)
    return ["unshare", "--mount", "sh", "-euc", _ENTER, "sh", str(root), str(folder), *command]
