"""The cookie of a browser's session: a separate name and path for each service of a host.

Browsers do not keep the cookies of two ports of a host apart, nor those of a path from those of the paths below it: of
two services with one name, each would overwrite the other's session. So the name has the port and the prefix in it.
Where the browser comes by TLS, a name prefix makes it refuse a cookie of that name that a page without TLS, or of
another name of the domain, has set (draft-ietf-httpbis-rfc6265bis, section 4.1.3).
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
        """Lets the browser keep its session's secret for that time."""
        response.set_cookie(
            self.name,
            secret,
            max_age=lifetime_s,
            path=self.path,
            httponly=True,
            samesite="lax",
            secure=self.is_secure,
        )

    def delete_from(self, response: Response) -> None:
        """Lets the browser forget its session."""
        response.delete_cookie(self.name, path=self.path, httponly=True, samesite="lax", secure=self.is_secure)


def session_cookie(request: Request, settings: Settings) -> SessionCookie:
    """Returns the cookie for a browser that comes by this request's address: its `Host`, its scheme and the prefix."""
    is_secure = request.scope["scheme"] == "https" or settings.public_url.startswith("https:")
    prefix: str = request.scope.get("root_path", "")
    # Without a port it is the scheme's own, which the name prefix tells apart.
    port = _PORT.search(request.headers.get("host", ""))
    name = "_".join(filter(None, (NAME, port and port[1], _as_name(prefix))))
    if is_secure:
        # `__Host-` asks for the path "/".
        name = f"__Secure-{name}" if prefix else f"__Host-{name}"
    return SessionCookie(name, prefix or "/", is_secure)


def _as_name(prefix: str) -> str:
    """Writes a path with the characters of a cookie's name (RFC 9110's tokens), each path differently."""
    return quote(prefix.strip("/"), safe="/").replace(".", "%2E").replace("/", ".")
