"""Says what to install where a command needs an extra of the package that is not installed."""

import sys
from collections.abc import Sequence

DISTRIBUTION = "video2mp3-service"
"""The package index has another project under the name `video2mp3`."""
_WITHOUT_EXTRAS = frozenset({"convert", "formats", "probe"})
_CLIENT = frozenset({"login", "logout", "push"})


def what_to_install(arguments: Sequence[str], missing: ModuleNotFoundError) -> str | None:
    """Returns a sentence about the extra that the command needs.

    None if the module belongs to no extra: then the installation is damaged, and the traceback says where.
    """
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    if command in _WITHOUT_EXTRAS or (missing.name or "video2mp3").startswith("video2mp3"):
        return None
    extra = "client" if command in _CLIENT else "service"
    install = _install(sys.prefix, f"'{DISTRIBUTION}[{extra}]'", command)
    return f"`{command}` needs the extra [{extra}], which is not installed. Install it with: {install}"


def _install(prefix: str, package: str, command: str) -> str:
    """Returns the command that changes this installation: each tool keeps its environments in a known folder."""
    if "/uv/tools/" in prefix:
        return f"uv tool install --force {package}"
    if "/pipx/venvs/" in prefix:
        return f"pipx install --force {package}"
    if "/uv/" in prefix:
        return f"uvx --from {package} video2mp3 {command}"
    return f"pip install {package}"
