"""nginx and Caddy, of Debian's packages, in front of a service."""

import functools
import os
import socket
import ssl
import subprocess
from pathlib import Path

import httpx

from tests.servers.programs import ServerProcess, free_port, require_program

_NGINX = """
daemon off; worker_processes 1; {account} pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {http}
    server {{ listen 127.0.0.1:{port} {tls}; {server} }}
}}
"""
_CERTIFICATE = "ssl; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem"
_CADDY = """
{{
	admin off
	default_bind 127.0.0.1
	http_port {http_port}
	https_port {port}
	local_certs
	skip_install_trust
	storage file_system {folder}/caddy
}}
{sites}
"""


class ProxyServer:
    """A proxy that speaks HTTPS on a port of loopback, as `host`."""

    program: str

    def __init__(self, folder: Path, host: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.host = host
        self.port = free_port()

    def client(self, path: str = "/") -> httpx.Client:
        """A client whose base is that path of the host."""
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}{path}",
            headers={"Host": self.host},
            transport=_NamedTransport(self.host),
            timeout=30,
        )

    def connect(self) -> ssl.SSLSocket:
        """An open connection, for what no client library would send."""
        line = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return _unverified().wrap_socket(line, server_hostname=self.host)

    def _start(self, *command: str) -> None:
        env = {**os.environ, "HOME": str(self.folder)}
        self._process = ServerProcess([require_program(self.program), *command], self.folder / "proxy.log", env)
        self._process.wait_ready(self._has_certificate, 60)

    def _has_certificate(self) -> bool:
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Ends the program."""
        self._process.kill()


class Nginx(ProxyServer):
    """nginx; `server` are lines of the block of that name, `http` lines of the block around it."""

    program = "nginx"

    def __init__(self, folder: Path, host: str, server: str, http: str = "") -> None:
        super().__init__(folder, host)
        names = ["-subj", f"/CN={host}", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", *names],
            check=True,
            capture_output=True,
        )
        self._server, self._http = server, http

    def start(self) -> None:
        """Starts it, with all files in its folder."""
        configuration = self.folder / "nginx.conf"
        account = "user root;" if os.geteuid() == 0 else ""  # others may not enter the tests' folders
        tls = _CERTIFICATE.format(folder=self.folder)
        text = _NGINX.format(
            folder=self.folder, port=self.port, account=account, tls=tls, http=self._http, server=self._server
        )
        configuration.write_text(text)
        self._start("-c", str(configuration), "-e", str(self.folder / "error.log"))


class Caddy(ProxyServer):
    """Caddy with these sites; it makes their certificates."""

    program = "caddy"

    def __init__(self, folder: Path, host: str, sites: str) -> None:
        super().__init__(folder, host)
        self._sites = sites

    def start(self) -> None:
        """Starts it, with all files in its folder."""
        configuration = self.folder / "Caddyfile"
        configuration.write_text(
            _CADDY.format(folder=self.folder, port=self.port, http_port=free_port(), sites=self._sites)
        )
        self._start("run", "--config", str(configuration), "--adapter", "caddyfile")


class _NamedTransport(httpx.HTTPTransport):
    """Names the host in the TLS handshake, though the connection goes to an address."""

    def __init__(self, host: str) -> None:
        super().__init__(verify=_unverified())
        self._host = host

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "sni_hostname": self._host}
        return super().handle_request(request)


@functools.cache
def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
