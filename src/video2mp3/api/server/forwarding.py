"""The client's address and scheme as proxies forward them.

The headers count only if the peer is a proxy that the settings name: any other client could forge them.
"""

import ipaddress
import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import Scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Some proxies write the port too: 192.0.2.1:4711, [2001:db8::1]:4711.
_FORM = re.compile(r"\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+|(.+)")


def resolved(scope: Scope, trusted: Sequence[Network]) -> Scope:
    """Returns the request's scope with the client's address and the scheme that trusted proxies forward.

    Each proxy appends its peer's address to `X-Forwarded-For`: read from the end, the first address that is not a
    trusted proxy is the client's. The client may have written what stands before it.
    """
    peer = _address(scope["client"][0]) if scope.get("client") else None
    if peer is None or not _is_in(peer, trusted):
        return scope
    headers = Headers(scope=scope)
    client = _client(headers, trusted)
    return {
        **scope,
        "scheme": _scheme(headers, scope["scheme"]),
        "client": (str(client), 0) if client else scope["client"],
    }


def _client(headers: Headers, trusted: Sequence[Network]) -> Address | None:
    listed = [item for line in headers.getlist("x-forwarded-for") for item in line.split(",")]
    found = None
    for item in reversed(listed):
        address = _address(item)
        if address is None:
            break
        found = address
        if not _is_in(address, trusted):
            break
    return found


def _scheme(headers: Headers, scheme: str) -> str:
    values = headers.getlist("x-forwarded-proto")
    told = values[-1].rpartition(",")[2].strip().lower() if values else ""
    return told if told in ("http", "https") else scheme


def _address(text: str) -> Address | None:
    match = _FORM.fullmatch(text.strip())
    try:
        found = ipaddress.ip_address((match and (match[1] or match[2] or match[3])) or "")
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
