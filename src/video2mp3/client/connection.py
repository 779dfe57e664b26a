"""Requests to the service, tried again where that can help, with the sign-in renewed when it runs out."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from video2mp3.backoff import backoff_s
from video2mp3.client.errors import ClientError, error_of

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
# The service's own statuses for "later", and what proxies say while it starts again.
LATER = (429, 502, 503, 504)
_TRIES = 6
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0


class Connection:
    """One service and one sign-in. Used by one thread at a time."""

    def __init__(self, server: str, token: str | None) -> None:
        """`server` is the service's address, with its path where it has one; `token` an access token.

        Raises:
            ClientError: when the address is none.
        """
        if urlsplit(server).scheme not in ("http", "https"):
            raise ClientError("invalid_server", f"{server} is no address; it begins with https:// or http://.")
        self._http = httpx.Client(base_url=server, timeout=_TIMEOUT)
        self._refresh_token: str | None = None
        if token is not None:
            self._http.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Closes what is open."""
        self._http.close()

    def sign_in(self, username: str, password: str) -> None:
        """Signs in; the tokens are renewed from then on. Raises ClientError."""
        self._take(self.call("POST", "/v1/sessions", json={"username": username, "password": password}))

    def call(self, method: str, address: str, **arguments: Any) -> httpx.Response:
        """Sends a request that may be sent twice, until it is answered; its body has been read.

        Raises:
            ClientError: when the answer is an error, or none comes after several tries.
        """
        for pause_s in pauses_s():
            try:
                answer = self._send_signed_in(method, address, arguments)
            except httpx.TransportError as error:
                if pause_s is None:
                    raise unreachable(error) from error
            else:
                if answer.is_success:
                    return answer
                if answer.status_code not in LATER or pause_s is None:
                    raise error_of(answer)
                pause_s = max(pause_s, _retry_after_s(answer))
            time.sleep(pause_s)
        raise AssertionError

    def send_once(self, method: str, address: str, **arguments: Any) -> httpx.Response:
        """Sends a request whose body can be sent once only. Raises httpx.TransportError when no answer comes."""
        return self._http.request(method, self._own(address), **arguments)

    @contextmanager
    def stream(self, address: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """Gets something large. Raises httpx.TransportError."""
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
        """Returns an address that the service gave, if it is the service's own: the sign-in goes nowhere else."""
        base = str(self._http.base_url)
        # A path of ours goes below the service's path; one that the service gave has it already.
        whole = base.rstrip("/") + address if address.startswith("/v1/") else urljoin(base, address)
        if urlsplit(whole)[:2] != urlsplit(base)[:2]:
            raise ClientError("unexpected_answer", f"The service sent us elsewhere: {urlsplit(whole).netloc}.")
        return whole


def pauses_s() -> Iterator[float | None]:
    """Yields how long to wait after each try that failed; None: it was the last one."""
    for attempt in range(1, _TRIES):
        yield backoff_s(attempt, first_s=_FIRST_PAUSE_S, max_s=_LONGEST_PAUSE_S)
    yield None


def unreachable(error: httpx.TransportError) -> ClientError:
    """Returns the error that no answer came."""
    return ClientError("unreachable", f"The service does not answer ({error}).", retryable=True)


def _retry_after_s(answer: httpx.Response) -> float:
    wanted = answer.headers.get("Retry-After", "")
    return min(_LONGEST_PAUSE_S, float(wanted)) if wanted.isascii() and wanted.isdigit() else 0.0
