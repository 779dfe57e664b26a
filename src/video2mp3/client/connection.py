"""Sends requests to the service, retries them, and renews the session when it expires."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from video2mp3.backoff import backoff_s
from video2mp3.client.errors import ClientError, error_from_response

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
# Statuses after which a retry can help; 502 and 504 are from proxies while the service restarts.
RETRY_STATUSES = (429, 502, 503, 504)
_TRIES = 6
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0


class Connection:
    """One service and one session. Use it from one thread at a time."""

    def __init__(self, server: str, token: str | None) -> None:
        """`server` is the service's URL, including its path; `token` is an access token.

        Raises:
            ClientError: when the URL is not valid.
        """
        if urlsplit(server).scheme not in ("http", "https"):
            raise ClientError("invalid_server", f"{server} is not a URL: it must begin with https:// or http://.")
        self._http = httpx.Client(base_url=server, timeout=_TIMEOUT)
        self._refresh_token: str | None = None
        if token is not None:
            self._http.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def sign_in(self, username: str, password: str) -> None:
        """Signs in and renews the tokens from then on. Raises ClientError."""
        self._take(self.call("POST", "/v1/sessions", json={"username": username, "password": password}))

    def call(self, method: str, address: str, **arguments: Any) -> httpx.Response:
        """Sends a request that may be repeated, until the service responds; the body of the response has been read.

        Raises:
            ClientError: when the response is an error, or when there is none after several attempts.
        """
        for delay_s in backoff_delays_s():
            try:
                answer = self._send_signed_in(method, address, arguments)
            except httpx.TransportError as error:
                if delay_s is None:
                    raise unreachable(error) from error
            else:
                if answer.is_success:
                    return answer
                if answer.status_code not in RETRY_STATUSES or delay_s is None:
                    raise error_from_response(answer)
                delay_s = max(delay_s, _retry_after_s(answer))
            time.sleep(delay_s)
        raise AssertionError

    def send_once(self, method: str, address: str, **arguments: Any) -> httpx.Response:
        """Sends a request whose body cannot be repeated. Raises httpx.TransportError if there is no response."""
        return self._http.request(method, self._own(address), **arguments)

    @contextmanager
    def stream(self, address: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """Streams a large response. Raises httpx.TransportError."""
        with self._http.stream("GET", self._own(address), headers=headers) as answer:
            yield answer

    def _send_signed_in(self, method: str, address: str, arguments: dict[str, Any]) -> httpx.Response:
        answer = self._http.request(method, self._own(address), **arguments)
        if answer.status_code == 401 and self._refresh_token is not None:
            token, self._refresh_token = self._refresh_token, None
            self._take(self.call("POST", "/v1/sessions/refresh", json={"refresh_token": token}))
            answer = self._http.request(method, self._own(address), **arguments)
        return answer

    def _take(self, answer: httpx.Response) -> None:
        tokens = answer.json()
        self._refresh_token = tokens["refresh_token"]
        self._http.headers["Authorization"] = f"Bearer {tokens['access_token']}"

    def _own(self, address: str) -> str:
        """Returns the absolute URL of an address from the service.

        Raises ClientError if it leads to another host: the token must not be sent there.
        """
        base = str(self._http.base_url)
        # The client's own paths are relative to the service's path; addresses from the service include it.
        whole = base.rstrip("/") + address if address.startswith("/v1/") else urljoin(base, address)
        if urlsplit(whole)[:2] != urlsplit(base)[:2]:
            raise ClientError("unexpected_answer", f"The service redirected to another host: {urlsplit(whole).netloc}.")
        return whole


def backoff_delays_s() -> Iterator[float | None]:
    """Yields the delay after each failed attempt; None after the last one."""
    for attempt in range(1, _TRIES):
        yield backoff_s(attempt, first_s=_FIRST_PAUSE_S, max_s=_LONGEST_PAUSE_S)
    yield None


def unreachable(error: httpx.TransportError) -> ClientError:
    """Returns the error for a missing response."""
    who = "The service"
    reason = re.sub(r"^\[Errno -?\d+\] ", "", str(error)).lower() or type(error).__name__
    with suppress(RuntimeError):  # an error outside a request knows none
        who = f"{error.request.url.scheme}://{error.request.url.netloc.decode()}"
    return ClientError("unreachable", f"{who} does not answer ({reason}).", retryable=True)


def _retry_after_s(answer: httpx.Response) -> float:
    wanted = answer.headers.get("Retry-After", "")
    return min(_LONGEST_PAUSE_S, float(wanted)) if wanted.isascii() and wanted.isdigit() else 0.0
