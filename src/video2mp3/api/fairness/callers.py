"""Whose request one is, told before anything is looked up: so that what a request costs can be shared fairly.

It is no authentication: that comes afterwards. A credential that has been good lately stands for its account; one that
nobody has seen, and none at all, stand for the address they come from, so that inventing credentials gains nothing.
"""

import hashlib
import threading
from collections import OrderedDict

from starlette.datastructures import Headers
from starlette.types import Scope

from video2mp3.accounts.throttling import network_of

_MAX_CREDENTIALS = 20_000


class Callers:
    """The accounts of the credentials that were good lately, in this process's memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: OrderedDict[bytes, str] = OrderedDict()

    def caller_of(self, scope: Scope) -> str:
        """Returns the id of the account whose credential comes with the request, or its address."""
        credential = _credential(scope)
        if credential is not None:
            with self._lock:
                account = self._accounts.get(credential)
            if account is not None:
                return account
        client = scope.get("client")
        return network_of(client[0] if client else None)

    def learn(self, scope: Scope, user_id: str) -> None:
        """Notes that the request's credential is that account's."""
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
