"""A path before all of ours, such as `/mp3` in `https://example.org/mp3/`: the setting `public_url` tells it."""

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send


def prefix_of(public_url: str) -> str:
    """Returns the path of the address that users reach the service by, without a slash at the end; mostly empty."""
    return urlsplit(public_url).path.rstrip("/")


class Prefix:
    """Pure ASGI middleware: tells the application which prefix its own addresses begin with (ASGI's `root_path`).

    A proxy may have taken the prefix away, or passed it on: what is inside never sees it in a path.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http":
            path: str = scope["path"]
            inside = path.removeprefix(self._prefix) if path.startswith(f"{self._prefix}/") else path
            scope = {**scope, "path": inside, "root_path": self._prefix}
        await self._app(scope, receive, send)
