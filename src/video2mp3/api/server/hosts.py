"""Checks the Host header.

Any site can point its own name at this service's address (DNS rebinding), and its pages would then have the same
origin. Links that are built from the Host header would lead wherever the sender likes.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from video2mp3.settings import Settings, is_loopback

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d{1,5})?", re.IGNORECASE)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
# Containers are probed by any address, and the responses contain no user's data.
ANY_HOST_PATHS = frozenset({"/livez", "/readyz"})
"""The paths of health checks."""


class HostRule:
    """The names by which this service may be addressed, from the settings."""

    def __init__(self, settings: Settings) -> None:
        """Reads the names that the settings list; if none, any name that cannot belong to another site is allowed."""
        listed = {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
        public = urlsplit(settings.public_url).hostname if settings.public_url else None
        self._names = listed | _LOOPBACK | ({_in_brackets(public)} if public else set())
        self._endings = tuple(name[1:] for name in listed if name.startswith("*."))
        self._only_listed = bool(listed)
        # On a public address without a public URL, the settings do not say by which names the service is reached.
        self._all = "*" in listed or not (listed or public or is_loopback(settings.host))

    def allows(self, scope: Scope) -> bool:
        """Returns whether the request may be served."""
        hosts = Headers(scope=scope).getlist("host")
        if self._all or scope["path"] in ANY_HOST_PATHS or not hosts:
            # Browsers always send one.
            return True
        match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if match is None:
            return False
        name = match[1].lower().removesuffix(".")
        return name in self._names or name.endswith(self._endings) or (not self._only_listed and _is_local_name(name))


def _is_local_name(name: str) -> bool:
    """Returns whether no site on the Internet can have that name: an address, or a name of the local network."""
    return "." not in name or name.endswith(".localhost") or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _in_brackets(host: str) -> str:
    return f"[{host}]" if ":" in host else host.removesuffix(".")
