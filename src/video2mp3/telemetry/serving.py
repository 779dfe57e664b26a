"""Metrics on a port of their own: whoever may see them need not be let to the API, and the other way round."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import start_http_server
from prometheus_client.registry import Collector

from video2mp3.errors import ConfigurationError
from video2mp3.telemetry.metrics import REGISTRY


@contextmanager
def served(host: str, port: int, collectors: Sequence[Collector] = ()) -> Iterator[None]:
    """Answers `GET /metrics` from a thread until the end of the block, with what the collectors read besides.

    Port 0: there is none, and nothing happens.

    Raises:
        ConfigurationError: when the port cannot be had.
    """
    if not port:
        yield
        return
    for collector in collectors:
        REGISTRY.register(collector)
    try:
        try:
            server, thread = start_http_server(port, host, REGISTRY)
        except OSError as error:
            raise ConfigurationError(
                f"Cannot serve metrics on {host} port {port} ({error.strerror}); choose others with "
                "VIDEO2MP3_METRICS_HOST and VIDEO2MP3_METRICS_PORT."
            ) from None
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
    finally:
        for collector in collectors:
            REGISTRY.unregister(collector)
