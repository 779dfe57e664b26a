"""Parses URLs from users strictly, so that the check and the connection use the same host."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from video2mp3.errors import UrlRejected

MAX_URL_CHARACTERS = 8192
"""Signed URLs have a few thousand characters."""
_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[a-z0-9._-]{1,253}")
# Characters that RFC 3986 allows in a path or a query; all others are percent-encoded.
_KEPT = "!$&'()*+,;=:@/?%-._~[]"


@dataclass(frozen=True)
class Target:
    """A parsed http or https URL."""

    scheme: str
    host: str
    """A name or an address as the user wrote it, in lower case and in ASCII (IDNA); IPv6 without brackets."""
    port: int
    path: str
    """Path and query, as in the request line."""

    @property
    def netloc(self) -> str:
        """Host and port, as in the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The complete URL, which may contain secrets."""
        return f"{self.scheme}://{self.netloc}{self.path}"


def parse(url: str) -> Target:
    """Parses a URL and drops the fragment.

    Raises:
        UrlRejected: when it is not a plain http or https URL. The sentence does not contain the URL.
    """
    # Browsers treat a backslash as a slash and drop line breaks; other parsers do not. So such URLs are ambiguous.
    if len(url) > MAX_URL_CHARACTERS or any(c <= " " or c in "\\\x7f" for c in url):
        raise UrlRejected("The URL is too long or has invalid characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = _host(parts.hostname or "")
    except ValueError:
        raise UrlRejected("This is not a URL: its host or its port cannot be read.") from None
    if parts.scheme not in _PORTS:
        raise UrlRejected("The URL must begin with https:// or http://.")
    if "@" in parts.netloc:
        raise UrlRejected("The URL must not contain a user name or a password.")
    path = quote(parts.path, safe=_KEPT) or "/"
    query = f"?{quote(parts.query, safe=_KEPT)}" if parts.query else ""
    return Target(parts.scheme, host, _PORTS[parts.scheme] if port is None else port, path + query)


def host_of(url: str) -> str:
    """Returns the host of a URL, for counting by host; `-` if the URL is invalid."""
    try:
        return parse(url).host
    except UrlRejected:
        return "-"


def redacted(url: str) -> str:
    """Returns the URL without user and query, for display and logs: a query often contains a signature."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "…"
    return f"{parts.scheme}://{host}{parts.path}" + ("?…" if parts.query else "")


def _host(host: str) -> str:
    """Returns the normalized host. Raises ValueError (UnicodeError is a subclass) if it is invalid."""
    if ":" in host:
        # A zone (fe80::1%eth0) names a local interface.
        return str(ipaddress.IPv6Address(host)) if "%" not in host else _host("")
    ascii_host = host.encode("idna").decode("ascii").lower().removesuffix(".")
    if not _NAME.fullmatch(ascii_host):
        raise ValueError
    return ascii_host
