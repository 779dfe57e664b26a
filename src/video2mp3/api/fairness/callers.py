"""Attributes each request to a caller before any look-up, so that its cost can be shared fairly.

This is not authentication, which follows later. A credential that was valid recently identifies its account. A request
with an unknown credential, or with none, is attributed to its address, so inventing credentials gains nothing.
"""

import hashlib
import threading
from collections import OrderedDict

from starlette.datastructures import Headers
from starlette.types import Scope

from video2mp3.accounts.throttling import network_of

_MAX_CREDENTIALS = 20_000


class Callers:
    """Maps recently valid credentials to their accounts, in this process's memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: OrderedDict[bytes, str] = OrderedDict()

    def caller_of(self, scope: Scope) -> str:
        """Returns the id of the account that the request's credential belongs to, or the client's network."""
        credential = _credential(scope)
        if credential is not None:
            with self._lock:
                account = self._accounts.get(credential)
            if account is not None:
                return account
        client = scope.get("client")
        return network_of(client[0] if client else None)

    def learn(self, scope: Scope, user_id: str) -> None:
        """Remembers that the request's credential belongs to that account."""
        credential = _credential(scope)
        if credential is None:
            return
        with self._lock:
            self._accounts[credential] = user_id
            self._accounts.move_to_end(credential)
            while len(self._accounts) > _MAX_CREDENTIALS:
                self._accounts.popitem(last=False)


def _credential(scope: Scope) -> bytes | None:
    headers = Headers(scope=scope)
    text = headers.get("authorization") or headers.get("cookie")
    # Only its hash is kept: it is a secret.
    return hashlib.blake2b(text.encode(), digest_size=16).digest() if text else None
