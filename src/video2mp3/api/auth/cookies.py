"""The session cookie of browsers, with a separate name and path for each service of a host.

Browsers do not separate the cookies of a host's ports, nor those of a path from those of the paths below it: two
services with the same cookie name would overwrite each other's session. So the name contains the port and the prefix.
With TLS, a name prefix makes the browser refuse a cookie of that name from a page without TLS, or from another name of
the domain (draft-ietf-httpbis-rfc6265bis, section 4.1.3).
"""

import re
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from video2mp3.settings import Settings

NAME = "video2mp3_session"

_PORT = re.compile(r":(\d{1,5})\Z")


@dataclass(frozen=True)
class SessionCookie:
    """How the cookie is set for one browser."""

    name: str
    path: str
    is_secure: bool

    def set_on(self, response: Response, secret: str, lifetime_s: int) -> None:
        """Sets the cookie for `lifetime_s` seconds."""
        response.set_cookie(
            self.name, secret, max_age=lifetime_s, path=self.path, httponly=True, samesite="lax", secure=self.is_secure
        )

    def delete_from(self, response: Response) -> None:
        """Deletes the cookie."""
        response.delete_cookie(self.name, path=self.path, httponly=True, samesite="lax", secure=self.is_secure)


def session_cookie(request: Request, settings: Settings) -> SessionCookie:
    """Returns the cookie for the address of this request: its `Host`, its scheme and the prefix."""
    is_secure = request.scope["scheme"] == "https" or settings.public_url.startswith("https:")
    prefix: str = request.scope.get("root_path", "")
    # Without a port it is the scheme's default; the name prefix distinguishes the schemes.
    port = _PORT.search(request.headers.get("host", ""))
    name = "_".join(filter(None, (NAME, port and port[1], _as_name(prefix))))
    if is_secure:
        # `__Host-` asks for the path "/".
        name = f"__Secure-{name}" if prefix else f"__Host-{name}"
    return SessionCookie(name, prefix or "/", is_secure)


def _as_name(prefix: str) -> str:
    """Encodes a path with the characters of a cookie name (RFC 9110's tokens), each path differently."""
    return quote(prefix.strip("/"), safe="/").replace(".", "%2E").replace("/", ".")
