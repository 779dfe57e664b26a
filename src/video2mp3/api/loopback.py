"""When a request that carries no credentials is from this machine's own user.

A loopback peer alone proves little: a page of any site can make this machine's browser send requests
here (and with DNS rebinding under its own name), and a reverse proxy on this machine passes on
everybody's. Each leaves a trace that is looked for here.
"""

import ipaddress
import re

from starlette.requests import HTTPConnection

_LOOPBACK_HOST = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
_OF_PROXIES = ("forwarded", "via", "x-real-ip")


def is_local_program(connection: HTTPConnection) -> bool:
    """Says whether a program on this machine sent the request, with no other site or proxy behind it."""
    return (
        _has_loopback_peer(connection)
        and _has_loopback_host(connection)
        and "origin" not in connection.headers
        and all(site in ("none", "same-origin") for site in connection.headers.getlist("sec-fetch-site"))
        and not any(name.startswith("x-forwarded-") or name in _OF_PROXIES for name in connection.headers)
    )


def _has_loopback_peer(connection: HTTPConnection) -> bool:
    if connection.client is None:
        return False
    try:
        peer = ipaddress.ip_address(connection.client.host)
    except ValueError:
        return False
    mapped = getattr(peer, "ipv4_mapped", None)
    return (mapped or peer).is_loopback


def _has_loopback_host(connection: HTTPConnection) -> bool:
    hosts = connection.headers.getlist("host")
    return len(hosts) == 1 and _LOOPBACK_HOST.fullmatch(hosts[0]) is not None
