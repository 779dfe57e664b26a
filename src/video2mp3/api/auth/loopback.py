"""Decides whether a request without credentials comes from this machine's own user.

A loopback peer alone proves little: a page of any site can make this machine's browser send requests here (and with DNS
rebinding under its own name), a reverse proxy on this machine forwards everybody's requests, and other accounts of the
machine have programs too. Each leaves a trace that this module looks for. A proxy that runs as the same account and
leaves none is caught by the settings that are made for it (`cli/roles/http_server.py`).
"""

import ipaddress
import re

from starlette.requests import HTTPConnection

from video2mp3.api.server.peers import PEER, Peer

_LOOPBACK_HOST = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
# Headers by which proxies, CDNs and tunnels describe the client or the original request.
_PREFIXES_OF_PROXIES = ("x-forwarded-", "x-original-", "x-envoy-", "cf-", "tailscale-")
_OF_PROXIES = frozenset(
    {"forwarded", "via", "x-real-ip", "x-client-ip", "client-ip", "true-client-ip", "x-cluster-client-ip"}
    | {"fastly-client-ip", "x-proxyuser-ip", "x-request-start", "cdn-loop", "x-amzn-trace-id", "x-cloud-trace-context"}
)


def is_local_program(connection: HTTPConnection) -> bool:
    """Returns whether a program of this account or root sent the request, without another site or a proxy behind it."""
    headers = connection.headers
    return (
        "origin" not in headers
        and all(site in ("none", "same-origin") for site in headers.getlist("sec-fetch-site"))
        and is_from_this_machine(connection)
    )


def is_from_this_machine(connection: HTTPConnection) -> bool:
    """Returns whether a program of this account or root, or its browser, sent the request without a proxy behind it."""
    headers = connection.headers
    return (
        _has_loopback_peer(connection)
        and _has_loopback_host(connection)
        # HTTP/1.0 is nginx's default to its upstreams, and current programs do not use it.
        and connection.scope.get("http_version") != "1.0"
        and not any(name.startswith(_PREFIXES_OF_PROXIES) or name in _OF_PROXIES for name in headers)
        # The last check: it costs the most.
        and _peer_of(connection).is_own
    )


def _peer_of(connection: HTTPConnection) -> Peer:
    known = connection.scope.get("state", {}).get(PEER)
    return known if isinstance(known, Peer) else Peer(connection.scope.get("client"), connection.scope.get("server"))


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
