"""The path prefix of the setting `public_url`, such as `/mp3` in `https://example.org/mp3/`."""

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send


def prefix_of(public_url: str) -> str:
    """Returns the path of the public URL without a slash at the end; usually empty."""
    return urlsplit(public_url).path.rstrip("/")


class Prefix:
    """Pure ASGI middleware: sets ASGI's `root_path` to the prefix.

    A proxy may strip the prefix or pass it on: the application never sees it in a path.
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
