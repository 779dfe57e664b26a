"""URLs from users: read strictly, so that whoever checks one and whoever connects see the same host."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from video2mp3.errors import UrlRejected

MAX_URL_CHARACTERS = 8192
"""Signed URLs have some thousand."""
_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[a-z0-9._-]{1,253}")
# Whatever RFC 3986 lets stand in a path or a query; all else is percent-encoded.
_KEPT = "!$&'()*+,;=:@/?%-._~[]"


@dataclass(frozen=True)
class Target:
    """An http or https URL, taken apart."""

    scheme: str
    host: str
    """A name or an address as the user wrote it, in lower case and in ASCII (IDNA); IPv6 without brackets."""
    port: int
    path: str
    """With the query: what stands in the request's first line."""

    @property
    def netloc(self) -> str:
        """Host and port as the header `Host` has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL, with its secrets."""
        return f"{self.scheme}://{self.netloc}{self.path}"


def parse(url: str) -> Target:
    """Takes a URL apart; the fragment is dropped.

    Raises:
        UrlRejected: when it is not a plain http or https URL; the sentence shows nothing of it but its scheme.
    """
    # Browsers take a backslash for a slash and drop line ends, others do not: nobody may be led astray by that.
    if len(url) > MAX_URL_CHARACTERS or any(c <= " " or c in "\\\x7f" for c in url):
        raise UrlRejected("The URL is too long, or has characters that no URL has.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = _host(parts.hostname or "")
    except ValueError:
        raise UrlRejected("This is not a URL: its host or its port cannot be read.") from None
    if parts.scheme not in _PORTS:
        raise UrlRejected("The URL has to begin with https:// or http://.")
    if "@" in parts.netloc:
        raise UrlRejected("The URL may hold no user name and no password.")
    path = quote(parts.path, safe=_KEPT) or "/"
    query = f"?{quote(parts.query, safe=_KEPT)}" if parts.query else ""
    return Target(parts.scheme, host, _PORTS[parts.scheme] if port is None else port, path + query)


def host_of(url: str) -> str:
    """Returns the host that a URL names, by which what goes there is counted; `-` where it names none."""
    try:
        return parse(url).host
    except UrlRejected:
        return "-"


def redacted(url: str) -> str:
    """Returns the URL as it may be shown and logged: a query is often a signature, and opens the file to anybody."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "…"
    return f"{parts.scheme}://{host}{parts.path}" + ("?…" if parts.query else "")


def _host(host: str) -> str:
    """Raises ValueError (UnicodeError is one) when it is none."""
    if ":" in host:
        # A zone (fe80::1%eth0) means an interface of ours.
        return str(ipaddress.IPv6Address(host)) if "%" not in host else _host("")
    ascii_host = host.encode("idna").decode("ascii").lower().removesuffix(".")
    if not _NAME.fullmatch(ascii_host):
        raise ValueError
    return ascii_host
