"""Serves metrics on a separate port, so that access to metrics and to the API can differ."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app
from prometheus_client.registry import Collector

from video2mp3.errors import ConfigurationError
from video2mp3.supervision import Loop
from video2mp3.telemetry.metrics import REGISTRY

_STALL_AFTER_S = 30.0


@contextmanager
def serve_metrics(host: str, port: int, collectors: Sequence[Collector] = ()) -> Iterator[None]:
    """Serves `GET /metrics` from a thread until the end of the block, including the given collectors.

    Does nothing for port 0.

    Raises:
        ConfigurationError: when the port is not available.
    """
    if not port:
        yield
        return
    for collector in collectors:
        REGISTRY.register(collector)
    try:
        with _listening(host, port) as server:
            server.loop.start()
            try:
                yield
            finally:
                server.loop.stop()
                server.shutdown()
                server.loop.join()
    finally:
        for collector in collectors:
            REGISTRY.unregister(collector)


def _listening(host: str, port: int) -> "_Server":
    try:
        server = _Server((host, port), _Handler)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot serve metrics on {host} port {port} ({error.strerror}); choose others with "
            "VIDEO2MP3_METRICS_HOST and VIDEO2MP3_METRICS_PORT."
        ) from None
    server.set_app(make_wsgi_app(REGISTRY))
    return server


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[WSGIRequestHandler]) -> None:
        super().__init__(address, handler)
        self.loop = Loop("metrics", self.serve_forever, stall_after_s=_STALL_AFTER_S)

    def service_actions(self) -> None:
        """Reports that the loop runs; `serve_forever` calls it twice a second."""
        super().service_actions()
        self.loop.feed()


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing: Prometheus scrapes every few seconds."""
