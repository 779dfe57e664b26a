"""The network between a proxy and the service, where news travels slowly: a proxy hears late of a closed connection."""

import select
import socket
import threading
from contextlib import suppress

_PIECE_BYTES = 65_536


class Relay:
    """Passes bytes on. If the service closes a connection, the proxy learns it at its next request on it."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.closed_by: list[str] = []
        """Which end has closed each connection that is closed: "service" or "proxy"."""
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Takes no further connections."""
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                proxy, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(proxy,), daemon=True).start()

    def _serve(self, proxy: socket.socket) -> None:
        with suppress(OSError), proxy, socket.create_connection(("127.0.0.1", self._server_port)) as service:
            is_open = True
            while True:
                readable, _, _ = select.select([proxy, service] if is_open else [proxy], [], [])
                if service in readable:
                    response = service.recv(_PIECE_BYTES)
                    if response:
                        proxy.sendall(response)
                    else:
                        is_open = False
                        self.closed_by.append("service")
                elif request := proxy.recv(_PIECE_BYTES):
                    if not is_open:
                        return
                    service.sendall(request)
                else:
                    if is_open:
                        self.closed_by.append("proxy")
                    return
